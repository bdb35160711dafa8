import ArgumentParser
import FoundationEssentials
import Host
import Layouts
import PCI

/// What names a layout: a preset, a layout file, the output of lspci, or a directory as in sysfs.
struct LayoutArgument {
    let name: String

    /// A dump of a large machine has a few megabytes; more than this is none.
    private static let largestFile = 256 << 20

    /// The layout: a preset, what a file describes, or the functions of a dump that `selection` takes. Says on standard error what
    /// cannot be had of a dump; `warnings` gets it too.
    func load(_ selection: DumpSelection = DumpSelection(), warnings: inout [String]) throws -> Layout {
        do {
            if name.contains("/") || name.contains(".") {
                return try loadFile(selection, warnings: &warnings)
            }
            guard let layout = Layout.preset(name) else {
                throw failure(
                    "there is no layout `\(name)`: `swiftlet layout --list` shows the presets, and a file is named with a slash "
                        + "or a dot (./\(name))", status: ExitStatus.usage)
            }
            return try select(selection, of: layout)
        } catch let error as LayoutError {
            throw failure("\(name): \(error)", status: error.isUsage ? ExitStatus.usage : ExitStatus.badInput)
        }
    }

    func load() throws -> Layout {
        var warnings: [String] = []
        return try load(warnings: &warnings)
    }

    private func loadFile(_ selection: DumpSelection, warnings: inout [String]) throws -> Layout {
        if let functions = SysfsDirectory(name).functions {
            var reader = SysfsReader()
            for function in functions {
                reader.add(directory: function.name, config: function.config, resource: function.resource)
            }
            return try read(reader.result, selection, &warnings)
        }
        let bytes: [UInt8]
        do { bytes = try readFile(name, limit: Self.largestFile) } catch {
            throw failure("cannot read the layout: \(error)", status: ExitStatus.badInput)
        }
        let first = bytes.first { !" \t\r\n".utf8.contains($0) }
        if first != UInt8(ascii: "{") {
            let dump = LspciReader.read(bytes)
            guard !dump.functions.isEmpty else {
                throw failure(
                    "\(name): not valid JSON as a layout file is, nor what lspci prints: no line begins with the address of a "
                        + "function", status: ExitStatus.badInput)
            }
            return try read(dump, selection, &warnings)
        }
        return try select(selection, of: try decode(bytes))
    }

    private func read(_ dump: Dump, _ selection: DumpSelection, _ warnings: inout [String]) throws -> Layout {
        let file = name.split(separator: "/").last.map(String.init) ?? name
        let (layout, found) = try Layout.read(dump, name: file, selection: selection)
        warnings = found.map { "\($0)" }
        // Thousands of lines help nobody.
        let shown = 20
        var lines = warnings.prefix(shown).map { "swiftlet: \(name): \($0)\n" }
        if warnings.count > shown {
            lines.append("swiftlet: \(name): and \(warnings.count - shown) more such warnings\n")
        }
        FileBytes.write(Array(lines.joined().utf8), to: FileBytes.standardError)
        return layout
    }

    private func select(_ selection: DumpSelection, of layout: Layout) throws -> Layout {
        selection.isEverything ? layout : try layout.selecting(selection)
    }

    private func decode(_ bytes: [UInt8]) throws -> Layout {
        do {
            let layout = try Layout(JSONDecoder().decode(CheckedLayoutFile.self, from: Data(bytes)).file)
            for function in layout.functions {
                do { try function.description.validate() } catch {
                    throw failure("\(name): \(function.address): \(error)", status: ExitStatus.badInput)
                }
            }
            return layout
        } catch let error as ExitCode {
            throw error
        } catch {
            throw failure("\(name): \(describeDecoding(error))", status: ExitStatus.badInput)
        }
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
