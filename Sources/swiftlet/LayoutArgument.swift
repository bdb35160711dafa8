import FoundationEssentials
import Host
import Layouts
import PCI
import Pictures

/// The name of a layout: a preset, a layout file, the output of lspci, or a directory as in sysfs.
struct LayoutArgument {
    let name: String

    /// The largest file that is read. A dump of a large machine has a few megabytes.
    private static let largestFile = 256 << 20

    /// Loads the layout: a preset, a layout file, or the functions of a dump that `selection` takes.
    ///
    /// - Parameters:
    ///   - connects: Whether the caller connects to device processes.
    ///   - isShown: Returns whether the caller shows a warning itself.
    /// - Returns: The layout, and warnings about parts of a dump that cannot be used. Those that the caller does not show have already
    ///   been written to standard error.
    func load(
        _ selection: DumpSelection = DumpSelection(), connects: Bool = false,
        isShown: (DumpWarning) -> Bool = { _ in false }
    ) throws -> (layout: Layout, warnings: [DumpWarning]) {
        do {
            let (layout, warnings) = isFile ? try loadFile(selection) : try select(selection, of: try preset())
            // Thousands of lines help nobody. Skipped functions matter most, so their warnings come first.
            let shown = 20
            let told = selection.isComplete ? warnings : warnings.filter { !isShown($0) }
            let ordered = told.filter(\.isSkipped) + told.filter { !$0.isSkipped }
            ordered.prefix(shown).forEach { complain("\(name): \($0.withAdvice)") }
            if told.count > shown { complain("\(name): and \(told.count - shown) more such warnings") }
            guard connects || layout.assigned.isEmpty else {
                throw failure(
                    "\(name): it names devices of processes or of the host, and only `run` can have these", .badInput)
            }
            let skipped = warnings.count(where: \.isSkipped)
            guard !selection.isComplete || skipped == 0 else {
                throw failure("\(name): --complete, and \(Figures.count(skipped, "function")) skipped", .badInput)
            }
            return (layout, warnings)
        } catch let error as LayoutError {
            throw failure(
                "\(name): \(error)\(error.advice.map { ": \($0)" } ?? "")", error.isUsage ? .usage : .badInput)
        }
    }

    private var isFile: Bool { name.contains("/") || name.contains(".") || name == "-" }

    private func preset() throws -> Layout {
        if let layout = Layout.preset(name) { return layout }
        let similar = Layout.presets.map(\.name).filter { $0.isSimilar(to: name) }
        throw failure(
            "there is no layout `\(name)`: "
                + (similar.isEmpty ? "" : "did you mean \(similar.joined(separator: " or "))? ")
                + "`swiftlet layout --list` shows the presets, and a file is named with a slash or a dot (./\(name))",
            .usage)
    }

    private func loadFile(_ selection: DumpSelection) throws -> (layout: Layout, warnings: [DumpWarning]) {
        if name != "-", let entries = try? FileManager.default.contentsOfDirectory(atPath: name).sorted() {
            let names = entries + name.split(separator: "/").suffix(1).map(String.init)
            guard names.contains(where: { DomainAddress(text: $0) != nil }) else {
                throw failure(
                    "\(name): a directory with functions has entries such as 0000:01:00.0, as /sys/bus/pci/devices has, and this one "
                        + "has none: name such a directory, or a file", .badInput)
            }
            return try read(readDirectory(entries), selection)
        }
        let file = try InputFile(name, kind: "layout", limit: Self.largestFile)
        let first = file.bytes.first { !" \t\r\n\u{feff}".utf8.contains($0) }
        guard first != UInt8(ascii: "{") else { return try select(selection, of: try decode(file)) }
        let dump = TextDumpReader.read(file.bytes)
        guard !dump.functions.isEmpty else {
            throw failure(
                dump.form.map { "\(name): \($0), which has no BARs: use `sudo lspci -vvv`" }
                    ?? "\(name): not valid JSON as a layout file is, nor a dump: no line begins with the address of a function, as "
                    + "those of `sudo lspci -vvv` do, and none is the kernel's about BARs", .badInput)
        }
        return try read(dump, selection)
    }

    /// Reads a directory of the form that sysfs has, with all functions or one.
    private func readDirectory(_ entries: [String]) -> Dump {
        let own = name.split(separator: "/").last.map(String.init) ?? name
        let isFunction = DomainAddress(text: own) != nil && entries.contains("config")
        var reader = SysfsReader()
        for function in isFunction ? [own] : entries {
            let path = isFunction ? name : "\(name)/\(function)"
            var files: [String: [UInt8]] = [:]
            // Such a file has at most a few kilobytes.
            for file in SysfsReader.files {
                files[file] = try? readFile("\(path)/\(file)", limit: 1 << 16, waits: false)
            }
            reader.add(directory: function, files: files)
        }
        return reader.result
    }

    private func read(_ dump: Dump, _ selection: DumpSelection) throws -> (layout: Layout, warnings: [DumpWarning]) {
        let file = name == "-" ? "standard input" : name.split(separator: "/").last.map(String.init) ?? name
        return try Layout.read(dump, name: file, selection: selection)
    }

    private func select(
        _ selection: DumpSelection, of layout: Layout
    ) throws -> (layout: Layout, warnings: [DumpWarning]) {
        let layout = selection.isEverything ? layout : try layout.selecting(selection)
        return (layout, layout.warnings)
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
        case .unknownFunctions, .unknownRegion, .badSize, .notADump, .nobodyHas: true
        default: false
        }
    }

    fileprivate var advice: String? {
        switch self {
        case .noFunctions(_, let warnings): warnings.lazy.compactMap(\.reason.advice).first
        default: nil
        }
    }
}

extension String {
    /// Whether somebody who wrote `other` may have meant this name.
    fileprivate func isSimilar(to other: String) -> Bool {
        Array(self).difference(from: Array(other)).count <= max(2, other.count / 2)
    }
}
