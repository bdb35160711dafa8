import ArgumentParser
import Laboratory
import Pictures

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare two price lists, of two kernels for instance, and tell differences from noise.",
        discussion: """
            Both files come from `swiftlet prices --json`. Prices are corrected by the reference work that both runs did in turns \
            with them. The exit status is 1 if a price of B is above that of A by more than the threshold and outside the noise. \
            docs/prices.md says how that is decided. --plot draws the prices of B against those of A.

            Example: swiftlet compare before.json after.json --threshold 1.2
            """)

    @Argument(help: ArgumentHelp("The first list.", valueName: "A.json"))
    var a: String

    @Argument(help: ArgumentHelp("The list that is compared with it.", valueName: "B.json"))
    var b: String

    @Option(help: ArgumentHelp("Ratios up to this one are no difference.", valueName: "ratio"))
    var threshold = 1.1

    @OptionGroup var drawing: PlotOptions
    @OptionGroup var output: OutputOptions

    /// The largest file that is read. A list has some 100 KB.
    private static let largestFile = 16 << 20

    func validate() throws {
        guard threshold >= 1, threshold.isFinite else { throw ValidationError("--threshold is a ratio of at least 1.") }
    }

    func run() throws {
        try InputFile.checkStandardInput([a, b])
        let (first, second) = (try Self.list(a), try Self.list(b))
        let plot = try drawing.file(beside: [(a, "the first list"), (b, "the second list")])
        let result = PriceComparison(first.result, second.result, threshold: threshold)
        guard !result.rowList.isEmpty else {
            throw failure("\(a) and \(b) have no cell in common", .badInput)
        }
        let picture = Plot.comparison(result, note: "A: \(first.environment.line)")
        try plot?.write(picture.text(origin: "B: \(second.environment.line)", title: drawing.title))
        try output.show(result, Self.text(result, first.environment, second.environment))
        guard result.ok else {
            throw failure("\(Figures.count(result.count(.slower), "price")) above the threshold", .checkFailed)
        }
    }

    /// Reads a price list. A file of another kind is refused, with the name that the file gives itself.
    private static func list(_ path: String) throws -> Measured<PriceResult> {
        struct Kind: Decodable {
            struct Environment: Decodable { let schema: String }
            let environment: Environment
        }
        let file = try InputFile(path, kind: "price list", limit: largestFile, remedy: "16 MiB, which no price list is")
        let (kind, known) = (try file.decoded(as: Kind.self).environment.schema, "swiftlet prices 1")
        guard kind == known else {
            throw failure("\(path) is `\(kind)`, and only `\(known)` can be compared", .badInput)
        }
        let list = try file.decoded(as: Measured<PriceResult>.self)
        guard PriceComparison.canCompare(list.result) else {
            throw failure(
                "\(path) has times or cells that no run writes: use the output of `swiftlet prices` as it is", .badInput
            )
        }
        return list
    }

    private static func text(_ result: PriceComparison, _ a: HostEnvironment, _ b: HostEnvironment) -> String {
        func ratio(_ value: Double) -> String {
            let hundredths = Int((min(value, 1e6) * 100).rounded())
            return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
        }
        func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
        let columns: [TextTable.Column<PriceComparison.Row>] = [
            .left("operation/slot/slots/vCPUs", \.cell), .right("A") { Figures.time($0.a) },
            .right("B") { Figures.time($0.b) }, .right("B by A, corrected") { ratio($0.ratio) },
            .right("rounds") { "\(ratio($0.lowest)) to \(ratio($0.highest))" },
            .right("calls alone") { $0.systemCallRatio.map(ratio) ?? "" }, .left("", \.verdict.rawValue),
        ]
        func names(_ names: [String]) -> String? { names.isEmpty ? nil : names.joined(separator: ", ") }
        let counts = PriceComparison.Verdict.allCases.map { "\(result.count($0)) \($0.rawValue)" }
        let explanation = """
            A and B are medians. The ratio is B by A after the correction; `rounds` is the least and the largest of single rounds,
            and `calls alone` the ratio of the system calls without Swiftlet. `noisy` is a difference that not every round has.
            """
        return [
            TextTable(result.rowList, columns).text, explanation,
            TextTable(
                "compared",
                facts: [
                    "A": a.line, "B": b.line,
                    "corrected by": "\(ratio(result.referenceRatio)), the reference work of B by that of A",
                    "waited": result.waitShareA.flatMap { a in
                        result.waitShareB.map { "for processors: A \(percent(a)), B \(percent($0))" }
                    },
                    "neighbours": result.hasOtherNeighbours ? "not the same: no difference counts" : nil,
                    "cells": counts.joined(separator: ", "), "only in A": names(result.onlyInA),
                    "only in B": names(result.onlyInB),
                ]
            ).text,
        ].joined(separator: "\n\n")
    }
}
