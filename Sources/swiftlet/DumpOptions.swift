public import ArgumentParser
import Layouts
public import PCI

/// The options that say what to take from a dump, for all commands that read one.
struct DumpOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only these functions, by their addresses: 01:00.0,02:00.0", valueName: "addresses"))
    var only: AddressList?

    @Option(help: ArgumentHelp("All but these functions.", valueName: "addresses"))
    var exclude: AddressList?

    @Option(
        help: ArgumentHelp(
            "The size of a BAR that a dump does not tell: 01:00.0/2=16M, also /rom, and /vf0 of virtual functions; `none` says that there is none.",
            valueName: "bar=size"))
    var size: [RegionSize] = []

    @Flag(help: "Leave bridges out: each bus is a root bus.")
    var flat = false

    @Option(
        name: .customLong("show-capability"),
        help: ArgumentHelp(
            "Let guests find a capability that promises what is not there, such as SR-IOV or ATS; repeat for more.",
            valueName: "name"))
    var shown: [CapabilityKind] = []

    @Option(
        help: ArgumentHelp(
            "Another size of a BAR that can be resized (Resizable BAR): 01:00.0/1=32G; repeat for more.",
            valueName: "bar=size"))
    var rebar: [RegionSize] = []

    @Option(
        help: ArgumentHelp(
            "The address of a BAR in the guest, such as the one that it has on the host: 01:00.0/2=0x38000000000; repeat for more.",
            valueName: "bar=address"))
    var fix: [RegionSize] = []

    @Flag(help: "Fail if a function of a dump has to be skipped.")
    var complete = false

    @Option(
        help: ArgumentHelp(
            "Count at most so many virtual functions of each function with SR-IOV. Without this option none are counted, and room is kept for all.",
            valueName: "n"))
    var vfs: Int?

    func validate() throws {
        for entry in rebar + fix where entry.bytes == nil {
            throw ValidationError("\(entry.place): `none` is no size that a BAR can be given, and no address.")
        }
        for (option, entries) in [("--rebar", rebar), ("--fix", fix)] {
            let places = entries.map(\.place)
            if let place = places.first(where: { place in places.count(where: { $0 == place }) > 1 }) {
                throw ValidationError("\(option): \(place) is named twice.")
            }
        }
        if let vfs, vfs < 0 { throw ValidationError("--vfs \(vfs): a count cannot be negative.") }
    }

    var selection: DumpSelection {
        var selection = DumpSelection()
        selection.only = only?.addresses ?? []
        selection.excluded = exclude?.addresses ?? []
        for entry in size {
            // If a region is named more than once, the last size counts.
            selection.sizes[entry.place] = entry.bytes
            if entry.bytes == nil { selection.absent.insert(entry.place) } else { selection.absent.remove(entry.place) }
        }
        selection.virtualFunctions = vfs
        (selection.isFlat, selection.isComplete) = (flat, complete)
        selection.shown = Set(shown)
        for entry in rebar { selection.resized[entry.place] = entry.bytes }
        for entry in fix { selection.fixed[entry.place] = entry.bytes }
        return selection
    }
}

/// The name of a capability, such as `SR-IOV`, in small or capital letters.
extension CapabilityKind: ExpressibleByArgument {
    public init?(argument: String) {
        let named = Self.names.first { $0.value.lowercased() == argument.lowercased() }
        guard let named else { return nil }
        self = named.key
    }

    public static var allValueStrings: [String] { names.values.sorted() }
}

/// A list of addresses, such as `01:00.0,0001:02:00.1`.
struct AddressList: ExpressibleByArgument {
    let addresses: [DomainAddress]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        addresses = parts.compactMap { DomainAddress(text: String($0)) }
        guard addresses.count == parts.count else { return nil }
    }
}

/// A region and its size, such as `01:00.0/2=16M` or `01:00.0/rom=none`.
struct RegionSize: ExpressibleByArgument {
    let place: DumpSelection.Place
    /// The size in bytes. Nil for `none`, which says that the region does not exist.
    let bytes: UInt64?

    init?(argument: String) {
        let parts = argument.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, let place = DumpSelection.Place(text: String(parts[0])) else { return nil }
        self.place = place
        bytes = UInt64(quantity: String(parts[1]))
        guard bytes != nil || parts[1] == "none" else { return nil }
    }
}
