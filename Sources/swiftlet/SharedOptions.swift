import ArgumentParser
import Board
import Layouts
import Machine
import Memslots

/// The options that several commands share: those of the output.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON object.")
    var json = false

    /// Prints a result as JSON, or the tables that are made from it.
    func show(_ result: some Encodable, _ tables: @autoclosure () -> [TextTable]) throws {
        try json ? emit(try encodeJSON(result)) : emit(tables())
    }
}

/// The option that lifts the check of the host's memory.
struct ForceOption: ParsableArguments {
    @Flag(help: "Start even if the slots take more than half of the host's available memory in the kernel.")
    var force = false
}

/// The limits that end an experiment.
struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("End after so many operations.", valueName: "n"))
    var operations: Int?

    @Option(help: ArgumentHelp("End after this time.", valueName: "t"))
    var seconds: TimeSpan?

    func validate() throws {
        if let operations, operations < 1 { throw ValidationError("--operations counts from 1.") }
    }
}

/// The option that repeats an experiment.
struct SeedOption: ParsableArguments {
    @Option(help: ArgumentHelp("Where randomness begins. (default: another one each time)", valueName: "s"))
    var seed: UInt64?

    /// The seed, or a random one that people can type again.
    var value: UInt64 { seed ?? UInt64.random(in: 1..<1 << 32) }
}

/// The options of commands that place the functions of a layout.
struct PolicyOptions: ParsableArguments {
    @OptionGroup var dump: DumpOptions

    @Option(help: ArgumentHelp("How mappings become slots: one each, or shared by neighbours.", valueName: "policy"))
    var slots = SlotPolicy.separate

    @Option(
        name: .customLong("aperture"),
        help: ArgumentHelp(
            "Where BARs may lie: low=0xd0000000+512M or high=0x4000000000-0x7fffffffff; one of each.",
            valueName: "name=range"))
    var apertures: [ApertureArgument] = []

    @Option(help: ArgumentHelp("PCI buses, 1 to 256. (default: 256)", valueName: "n"))
    var buses: Int?

    /// The places of apertures and the number of buses that the user chose.
    var choices: AddressMap.Choices { AddressMap.Choices(apertures, buses: buses) }

    @Option(help: ArgumentHelp("Draw where everything lies in guest memory into this file.", valueName: "file.svg"))
    var map: String?
}
