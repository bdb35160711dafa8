import Board
import LayoutFixtures
import Memslots
import PCI
import Testing

@testable import Layouts
@testable import Machine

/// A kernel that says yes to everything.
private struct Agreeing: SlotInstaller {
    /// Values without a size share an address, and ThreadSanitizer sees races between them.
    private let size = 0

    mutating func park() {}
    mutating func resume() {}
    mutating func set(_ request: SlotRequest) throws(SlotErrno) {}
    mutating func place(_ piece: WindowPiece) throws(SlotErrno) {}
    mutating func clear(_ piece: WindowPiece) throws(SlotErrno) {}
    mutating func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64] { [] }
}

extension MappingOwner {
    /// The function whose BAR or ROM it is.
    fileprivate var function: FunctionAddress? {
        switch self {
        case .bar(let segment, let function, _), .rom(let segment, let function):
            FunctionAddress(requesterID: function, segment: segment)
        case .ram, .extra, .other: nil
        }
    }
}

/// The machine's own way from functions to slots, without KVM, against the plan.
@Suite("A plan and a machine")
struct PlanAgreementTests {
    @Test("have the same slots at the same addresses, and the same edits", arguments: names, SlotPolicy.allCases)
    func agreement(name: String, policy: SlotPolicy) throws {
        let layout = try Self.layout(name)
        let plan = try Plan(layout, policy: policy)

        var configuration = MachineConfiguration()
        configuration.add(layout)
        let machine = try MachineLayout(configuration, physicalAddressBits: plan.host.physicalAddressBits)
        var functions = try machine.makeFunctions()
        var mappings: [Mapping] = []
        for function in functions.functions {
            mappings += functions.decoded.update(function).added.filter { $0.kind == .mapped }.map {
                Mapping(
                    range: $0.range, backing: Backing(offset: $0.range.first.rawValue), access: $0.access,
                    owner: $0.owner.mappingOwner)
            }
        }
        let windows = [machine.board.apertures.low, try #require(machine.board.apertures.high)].map {
            HostWindow(aperture: $0, host: (1 << 46) + $0.first.rawValue)
        }
        var space = AddressSpace(
            limits: SlotLimits(userSlots: 1 << 15), policy: policy,
            placement: Placement(backings: [1 << 12], windows: windows))
        var kernel = Agreeing()
        try space.change(adding: mappings, through: &kernel)
        let slots = space.table.all.map(\.range).sorted { $0.first < $1.first }
        #expect(slots == plan.slots.planned.slots.map(\.range))
        #expect(plan.memory.rows.map(\.mapping.owner) == space.mappings(in: .everything).map(\.owner))

        // A run of 20,000 pieces, planned anew for each of 4096 functions, would take minutes.
        guard layout.functions.count <= 256 else { return }
        let before = space.table.edits.total
        // A bridge takes all that lies behind it along.
        let bridges = functions.decoded.bridges
        var groups: [FunctionAddress: [Mapping]] = [:]
        for mapping in mappings {
            for function in bridges.path(to: try #require(mapping.owner.function)) {
                groups[function, default: []].append(mapping)
            }
        }
        for function in groups.values {
            try space.change(removing: function.map(\.range), through: &kernel)
            try space.change(adding: function, through: &kernel)
        }
        #expect(space.table.edits.total - before == UInt64(plan.slots.toggleEdits))
    }

    private static let names = Layout.presets.map(\.name) + ["workstation", "oddities", "network"]

    private static func layout(_ name: String) throws -> Layout {
        if let preset = Layout.preset(name) { return preset }
        var selection = DumpSelection()
        selection.virtualFunctions = name == "oddities" ? nil : 7
        var dump = TextDumpReader.read(Array((name == "oddities" ? LspciText.oddities : LspciText.workstation()).utf8))
        if name == "network" {
            var reader = SysfsReader()
            reader.add(
                directory: "0000:03:00.0",
                files: ["config": ConfigBytes.network.bytes, "resource": Array(ConfigBytes.networkResource.utf8)])
            dump = reader.result
        }
        return try Layout.read(dump, name: name, selection: selection).layout
    }
}
