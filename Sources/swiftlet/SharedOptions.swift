import ArgumentParser
import Board
import Host
import Laboratory
import Memslots

/// The options for output, which several commands share.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON object.")
    var json = false

    /// Prints a result as JSON, or as the text that is made from it.
    func show(_ result: some Encodable, _ text: @autoclosure () -> String) throws {
        try json ? emit(try encodeJSON(result)) : emit(text())
    }

    /// Prints a measured result. Its JSON includes the environment.
    func show(_ result: some Codable, in environment: HostEnvironment, _ text: @autoclosure () -> String) throws {
        try show(Measured(result, in: environment), text())
    }
}

/// The option that lifts the check of the host's memory.
struct ForceOption: ParsableArguments {
    @Flag(help: "Start even if the slots take more than half of the host's available memory in the kernel.")
    var force = false
}

/// The option for the jail, which a command enters before guests run.
struct JailOption: ParsableArguments {
    @Flag(help: "Leave this process all its system calls while guests run (docs/security.md).")
    var noJail = false

    func enter(for purpose: Jail.Purpose = .run) throws(HostError) {
        if !noJail { try Jail.enter(for: purpose) }
    }
}

/// The options that limit an experiment.
struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("End after so many operations.", valueName: "n"))
    var operations: Int?

    @Option(help: ArgumentHelp("End after this time.", valueName: "t"))
    var seconds: Duration?

    func validate() throws {
        if let operations, operations < 1 { throw ValidationError("--operations counts from 1.") }
    }
}

/// The option that makes an experiment repeatable.
struct SeedOption: ParsableArguments {
    @Option(help: ArgumentHelp("Where randomness begins. (default: another one each time)", valueName: "s"))
    var seed: UInt64?

    /// The given seed, or a random one that is short enough to be typed again.
    var value: UInt64 { seed ?? UInt64.random(in: 1..<1 << 32) }
}

/// The options for the places of a machine's BARs and for its PCI buses.
struct BoardOptions: ParsableArguments {
    @Option(
        name: .customLong("aperture"),
        help: ArgumentHelp(
            "Where BARs may lie: low=0xd0000000+512M or high=0x4000000000-0x7fffffffff. Of several with one name the last counts.",
            valueName: "name=range"))
    var apertures: [ApertureArgument] = []

    @Option(help: ArgumentHelp("PCI buses, 1 to 256. (default: 256)", valueName: "n"))
    var buses: Int?

    /// The choices for the board. If an aperture is named more than once, the last one counts.
    var choices: AddressMap.Choices {
        AddressMap.Choices(
            lowAperture: apertures.last { !$0.isHigh }?.range, highAperture: apertures.last { $0.isHigh }?.range,
            buses: buses)
    }
}

/// The title of a drawing, which needs the option that names the drawing.
struct TitleOption: ParsableArguments {
    @Option(help: ArgumentHelp("The title of the drawing.", valueName: "text"))
    var title: String?

    func check(_ drawing: String?, of option: String) throws {
        if title != nil, drawing == nil { throw ValidationError("--title is the title of a drawing: add \(option).") }
    }
}

/// The options that draw guest memory.
struct MapOptions: ParsableArguments {
    /// The endings of the files into which the map can be written.
    static let endings = ["svg", "html"]

    @Option(
        help: ArgumentHelp(
            "Draw where everything lies in guest memory into this file. With the ending .html it is a page in which one can zoom.",
            valueName: "file.svg"))
    var map: String?

    @OptionGroup var heading: TitleOption
    var title: String? { heading.title }

    func validate() throws { try heading.check(map, of: "--map") }
}

/// The options that plot a result.
struct PlotOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Draw the result into this file.", valueName: "file.svg"))
    var plot: String?

    @OptionGroup var heading: TitleOption
    var title: String? { heading.title }

    func validate() throws { try heading.check(plot, of: "--plot") }

    /// Opens the file for the plot. It must be none of the input files.
    func file(beside inputs: [(path: String, kind: String)] = []) throws -> OutputFile? {
        var files = OutputFiles(inputs: inputs)
        return try files.open(plot, for: "--plot", endings: ["svg"])
    }
}

struct PolicyOptions: ParsableArguments {
    @OptionGroup var dump: DumpOptions

    @Option(help: ArgumentHelp("How mappings become slots: one each, or shared by neighbours.", valueName: "policy"))
    var slots = SlotPolicy.separate

    @OptionGroup var board: BoardOptions
    @OptionGroup var drawing: MapOptions

    /// Opens the file for the drawing. It must not be the file of the layout.
    func mapFile(beside layout: String) throws -> OutputFile? {
        var files = OutputFiles(inputs: [(layout, "the layout")])
        return try files.open(drawing.map, for: "--map", endings: MapOptions.endings)
    }
}
