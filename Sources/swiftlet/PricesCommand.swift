import ArgumentParser
import Laboratory
import Pictures

struct PricesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prices",
        abstract: "Measure what changes of slots, events and routes cost on this host, beside vCPUs and without.",
        discussion: """
            One slot of 4 KiB, 2 MiB or 1 GiB is changed among 32, 2048 or 32000 slots of a page, while vCPUs spin, halt or \
            fault pages in. Beside each price stand that of the system calls alone and what the vCPUs lost meanwhile. It takes \
            less than two minutes; Ctrl-C ends it early, and what was measured is printed. `swiftlet compare` compares two such \
            lists. --plot draws each price against its system calls alone. docs/prices.md says what each operation is.

            Examples:
              swiftlet prices --json > before.json
              swiftlet prices --vcpus 0 --only create,delete --plot prices.svg
            """)

    @Option(help: ArgumentHelp("Numbers of vCPUs.", valueName: "n,…"))
    var vcpus = ListArgument([0, 1, 4])

    @Option(help: ArgumentHelp("Measure only these operations. (default: all)", valueName: "name,…"))
    var only: ListArgument<PriceOperation>?

    @Flag(help: "List the operations, and measure nothing.")
    var list = false

    @OptionGroup var start: ForceOption
    @OptionGroup var drawing: PlotOptions
    @OptionGroup var jail: JailOption
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard vcpus.values.allSatisfy((0...255).contains) else {
            throw ValidationError("--vcpus takes numbers up to 255.")
        }
    }

    func run() throws {
        guard !list else {
            let columns: [TextTable.Column<PriceOperation>] = [.left("name", \.rawValue), .left("operation", \.words)]
            return try output.show(OperationList(), TextTable(PriceOperation.allCases, columns).text)
        }
        let cells = PriceCell.all(vcpus: vcpus.values).filter { only?.values.contains($0.operation) ?? true }
        guard (1...PriceCell.most).contains(cells.count) else {
            throw failure(
                cells.isEmpty
                    ? "these operations take vCPUs: give --vcpus a number above 0"
                    : "\(cells.count) cells, and at most \(PriceCell.most) are measured: give --vcpus fewer numbers, or --only some operations",
                .usage)
        }
        let plot = try drawing.file()
        let environment = HostEnvironment(of: "prices")
        let result = try watched(jail) {
            try PriceRun.run(&$0, cells: cells, mayExhaustHost: start.force)
        }
        try plot?.write(Plot.prices(result).text(origin: environment.line, title: drawing.title))
        try output.show(result, in: environment, Self.text(result))
        try result.end()
    }

    private static func text(_ result: PriceResult) -> String {
        let columns: [TextTable.Column<PriceRow>] =
            [.left("operation/slot/slots/vCPUs", \.cell)] + TextTable.latencies(\.microseconds)
            + [
                .right("calls alone") { $0.systemCalls.map { Figures.time($0.p50) } ?? "" },
                .right("vCPUs lose") { $0.witness.map { "\(Int(($0.lostShare * 100).rounded())) %" } ?? "" },
                .right("each time") { $0.witness.map { Figures.time(max(0, $0.lostMicroseconds)) } ?? "" },
            ]
        let unmeasured = result.unmeasured.map { ("\($0.cell)", Optional($0.reason)) }
        return [TextTable(result.rowList, columns)].map(\.text).joined()
            + (unmeasured.isEmpty ? "" : "\n\n" + TextTable("not measured", facts: unmeasured).text)
    }
}

/// The operations as `prices --list --json` prints them.
private struct OperationList: Encodable {
    let operationList = PriceOperation.allCases.map { ["name": $0.rawValue, "operation": $0.words] }
}

/// Values with commas between them, each at most once: `0,1,4`.
struct ListArgument<Element: ExpressibleByArgument & Hashable>: ExpressibleByArgument {
    let values: [Element]

    init(_ values: [Element]) { self.values = values }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        values = parts.compactMap { Element(argument: String($0)) }
        guard values.count == parts.count, Set(values).count == values.count else { return nil }
    }

    var defaultValueDescription: String { values.map(\.defaultValueDescription).joined(separator: ",") }
    static var allValueStrings: [String] { Element.allValueStrings }
}
