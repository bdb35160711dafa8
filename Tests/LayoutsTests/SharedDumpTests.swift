import Foundation
import PCI
import Testing

@testable import Layouts

private enum SharedDumps {
    static let directory: URL? = {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let directory = repository.deletingLastPathComponent().appending(path: "shared/data/dumps")
        return FileManager.default.fileExists(atPath: directory.path) ? directory : nil
    }()
}

/// Dumps as they were posted, beside the repository: `../shared/data/dumps`. Where they are not, there is nothing to test.
@Suite("Posted dumps", .enabled(if: SharedDumps.directory != nil, "needs ../shared/data/dumps"))
struct SharedDumpTests {
    /// Addresses with mapped and trapped pieces, bridges, and whether a warning has the words.
    private static let right: [(file: String, rows: [String], bridges: Int, words: [String])] = [
        ("lspci-nnk", [], 0, ["lspci -vvv"]), ("vmd-abridged", [], 1, ["10000:e1:00.0", "`...`"]),
        ("header7f", ["03:00.0 4 0"], 1, ["03:00.0", "all ones"]), ("cxl-type3-lspci", ["0d:00.0 2 1"], 0, []),
        ("lsi-vpd-stderr", ["02:00.0 3 1"], 0, ["02:00.0", "pcilib"]),
        ("report-list-then-vvv", ["02:00.0 3 1"], 0, []), ("report-nnk-then-vvv", ["01:00.0 4 0"], 0, ["01:00.1"]),
        ("html-escaped", ["3b:00.0 3 0"], 0, ["hidden"]), ("ide-legacy-old", ["00:07.1 0 0", "02:01.0 3 0"], 0, []),
        ("igp-rom-unassigned", ["01:05.0 3 0"], 0, ["01:05.0/rom"]),
        ("lspci-PP", ["01:00.0 3 2", "01:00.1 3 2"], 1, []),
        ("8x512g", ["17", "28", "39", "4a", "5b", "6c", "7d", "8e"].map { "\($0):00.0 3 0" }, 0, []),
    ]

    @Test("give the right values, or the right refusal", arguments: right.map(\.file))
    func values(file: String) throws {
        let right = try #require(Self.right.first { $0.file == file })
        let path = try #require(SharedDumps.directory).appending(path: "\(file).txt")
        let dump = TextDumpReader.read(Array(try Data(contentsOf: path)))
        #expect(dump.functions.count { $0.isBridge } == right.bridges)
        guard !right.rows.isEmpty else {
            let error = #expect(throws: LayoutError.self) { try Layout.read(dump, name: file) }
            for words in right.words { #expect(error.map { "\($0)".contains(words) } == true) }
            return
        }
        let (layout, warnings) = try Layout.read(dump, name: file, selection: .flat)
        let plan = try Plan(layout)
        #expect(plan.functions.map { "\($0.address) \($0.mapped) \($0.trapped)" } == right.rows)
        let told = warnings.map { "\($0)" }.joined(separator: "\n")
        for words in right.words { #expect(told.contains(words)) }
        #expect(warnings.isEmpty == right.words.isEmpty, "\(told)")
        #expect(plan.fits)
    }
}
