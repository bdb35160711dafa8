import Foundation

// Checks the documentation of the libraries: check SYMBOL-GRAPHS [SOURCES EXAMPLES…]
//
// Every public symbol in the symbol graphs below the first directory has a summary, and the parameters that its comment describes.
// Every block of Swift in a catalog below the
// second one is in a file below one of the others, line by line but for their indentation, so that it compiles.

/// The files below a directory whose names end so, by name.
func files(below directory: String, ending: String) -> [URL] {
    let paths = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
    return paths.filter { $0.hasSuffix(ending) && !$0.contains(".build/") }.sorted().map {
        URL(fileURLWithPath: directory).appending(path: $0)
    }
}

/// The lines of a text without their indentation.
func lines(_ text: String) -> [String] {
    text.components(separatedBy: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
}

var problems: [String] = []
let arguments = CommandLine.arguments.dropFirst()
guard let graphs = arguments.first, let sources = arguments.dropFirst().first else {
    print("usage: check SYMBOL-GRAPHS SOURCES EXAMPLES…")
    exit(64)
}

var counts: [String: Int] = [:]
for file in files(below: graphs, ending: ".symbols.json") {
    let graph = try JSONDecoder().decode(SymbolGraph.self, from: Data(contentsOf: file))
    counts[graph.module.name, default: 0] += graph.written.count
    func named(_ symbol: SymbolGraph.Symbol) -> String {
        let place = symbol.location.map { "\($0.uri.replacing("file://", with: "")):\($0.position.line + 1)" } ?? ""
        let name = ([graph.module.name] + symbol.pathComponents).joined(separator: ".")
        return "\(place): \(symbol.kind.displayName) \(name)"
    }
    for symbol in graph.written {
        if !symbol.hasSummary { problems.append("\(named(symbol)) has no summary") }
        problems += symbol.unknownParameters.map { "\(named(symbol)) has no parameter \($0)" }
    }
}
if counts.isEmpty { problems.append("\(graphs): there are no symbol graphs") }

let examples = try arguments.dropFirst(2).flatMap { files(below: $0, ending: ".swift") }
    .map { "\n" + lines(try String(contentsOf: $0, encoding: .utf8)).joined(separator: "\n") }
for file in files(below: sources, ending: ".md") where file.path.contains(".docc/") {
    let text = try String(contentsOf: file, encoding: .utf8)
    for block in text.components(separatedBy: "\n```swift\n").dropFirst() {
        let code = lines(block.components(separatedBy: "\n```")[0]).joined(separator: "\n")
        if !examples.contains(where: { $0.contains("\n\(code)\n") }) {
            problems.append("\(file.path): no example has the code that begins with \(code.prefix { $0 != "\n" })")
        }
    }
}

let names = counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
print("public symbols: \(names)")
for problem in Set(problems).sorted() { print(problem) }
if !problems.isEmpty {
    print("\(Set(problems).count) problems in the documentation")
    exit(1)
}
