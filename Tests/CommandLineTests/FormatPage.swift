import Foundation

/// What a page of the documentation says of a format.
struct FormatPage {
    /// The part of the page under a heading, with its subsections.
    let text: String
    /// What holds for all formats of the page, and what holds for all formats.
    private let rules: String

    /// - Parameters:
    ///   - path: The page, such as `docs/plan.md`.
    ///   - heading: The heading without its signs, or nil for the whole page.
    init(_ path: String, _ heading: String? = nil) throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let page = try String(contentsOf: root.appending(path: path), encoding: .utf8)
        guard let heading else {
            (text, rules) = (page, "")
            return
        }
        var (found, depth, isCode): ([Substring], Int?, Bool) = ([], nil, false)
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") { isCode.toggle() }
            let signs = isCode ? 0 : line.prefix { $0 == "#" }.count
            if signs > 0 {
                if let depth, signs <= depth { break }
                if depth == nil, line.dropFirst(signs).trimmingCharacters(in: .whitespaces) == heading { depth = signs }
            }
            if depth != nil { found.append(line) }
        }
        guard depth != nil else { throw Missing(description: "\(path) has no heading \(heading)") }
        text = found.joined(separator: "\n")
        let general = "Rules that hold for all"
        rules =
            page.components(separatedBy: "\n## ")[0]
            + (heading == general ? "" : try FormatPage("docs/formats.md", general).text)
    }

    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    /// The words in the first column of the tables with this title, or whose title begins so if it ends with a space.
    func words(inTables title: String) -> Set<String> {
        var (words, isWanted, isTable): (Set<String>, Bool, Bool) = ([], false, false)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            guard line.hasPrefix("|") else {
                isTable = false
                continue
            }
            let cell = line.dropFirst().prefix { $0 != "|" }
            if !isTable {
                let name = cell.trimmingCharacters(in: .whitespaces)
                isWanted = name == title || title.hasSuffix(" ") && name.hasPrefix(title)
            } else if isWanted {
                let parts = cell.components(separatedBy: "`").enumerated()
                words.formUnion(parts.filter { $0.offset % 2 == 1 }.map(\.element))
            }
            isTable = true
        }
        return words
    }

    /// The blocks of code in a language.
    func blocks(_ language: String) -> [String] {
        text.components(separatedBy: "```\(language)\n").dropFirst().map { $0.components(separatedBy: "\n```")[0] }
    }

    /// Whether the page names a key, in words or in an example.
    func names(_ key: String) -> Bool {
        [text, rules].contains { $0.contains("`\(key)`") || $0.contains("\"\(key)\"") }
    }
}

/// The keys of an object and of all objects in it, without those of objects that have names for keys.
func keys(of value: Any, namesIn open: Set<String> = []) -> Set<String> {
    switch value {
    case let object as [String: Any]:
        object.reduce(into: Set(object.keys)) { keys, entry in
            if !open.contains(entry.key) { keys.formUnion(CommandLineTests.keys(of: entry.value, namesIn: open)) }
        }
    case let list as [Any]: list.reduce(into: Set()) { $0.formUnion(CommandLineTests.keys(of: $1, namesIn: open)) }
    default: []
    }
}
