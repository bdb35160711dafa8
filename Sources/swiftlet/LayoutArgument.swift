import FoundationEssentials
import Host
import Layouts
import PCI

/// What names a layout: a preset, a layout file, the output of lspci, or a directory as in sysfs.
struct LayoutArgument {
    let name: String

    /// A dump of a large machine has a few megabytes; more than this is none.
    private static let largestFile = 256 << 20

    /// Loads the layout: a preset, a layout file, or the functions of a dump that `selection` takes.
    ///
    /// - Returns: The layout, and warnings about parts of a dump that cannot be used. They are on standard error already.
    func load(_ selection: DumpSelection = DumpSelection()) throws -> (layout: Layout, warnings: [String]) {
        do {
            if name.contains("/") || name.contains(".") {
                return try loadFile(selection)
            }
            guard let layout = Layout.preset(name) else {
                throw failure(
                    "there is no layout `\(name)`: `swiftlet layout --list` shows the presets, and a file is named with a slash "
                        + "or a dot (./\(name))", .usage)
            }
            return (try select(selection, of: layout), [])
        } catch let error as LayoutError {
            throw failure("\(name): \(error)", error.isUsage ? .usage : .badInput)
        }
    }

    private func loadFile(_ selection: DumpSelection) throws -> (layout: Layout, warnings: [String]) {
        if let functions = try? FileManager.default.contentsOfDirectory(atPath: name).sorted() {
            var reader = SysfsReader()
            for function in functions {
                // A file of either kind has at most a few kilobytes.
                let files = ["config", "resource"].map { try? readFile("\(name)/\(function)/\($0)", limit: 1 << 16) }
                reader.add(directory: function, config: files[0], resource: files[1])
            }
            return try read(reader.result, selection)
        }
        let file = try InputFile(name, kind: "layout", limit: Self.largestFile)
        let first = file.bytes.first { !" \t\r\n".utf8.contains($0) }
        guard first != UInt8(ascii: "{") else { return (try select(selection, of: try decode(file)), []) }
        let dump = LspciReader.read(file.bytes)
        guard !dump.functions.isEmpty else {
            throw failure(
                "\(name): not valid JSON as a layout file is, nor what lspci prints: no line begins with the address of a "
                    + "function", .badInput)
        }
        return try read(dump, selection)
    }

    private func read(_ dump: Dump, _ selection: DumpSelection) throws -> (layout: Layout, warnings: [String]) {
        let file = name.split(separator: "/").last.map(String.init) ?? name
        let (layout, found) = try Layout.read(dump, name: file, selection: selection)
        // Thousands of lines help nobody.
        let shown = 20
        found.prefix(shown).forEach { complain("\(name): \($0.withAdvice)") }
        if found.count > shown {
            complain("\(name): and \(found.count - shown) more such warnings")
        }
        return (layout, found.map { "\($0)" })
    }

    private func select(_ selection: DumpSelection, of layout: Layout) throws -> Layout {
        selection.isEverything ? layout : try layout.selecting(selection)
    }

    private func decode(_ file: InputFile) throws -> Layout {
        let layout = try file.decoded(as: LayoutFile.self).layout
        for function in layout.functions {
            do { try function.description.validate() } catch {
                throw failure("\(name): \(function.address): \(error)", .badInput)
            }
        }
        return layout
    }
}

extension LayoutError {
    /// Whether the command line is wrong, and not the input.
    fileprivate var isUsage: Bool {
        switch self {
        case .unknownFunctions, .notADump: true
        default: false
        }
    }
}
