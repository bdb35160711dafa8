import Board
import Floor
import Images
import Layouts
import Machine
import Memslots

extension Bench {
    /// Compares a new machine with a full bus: its slots, and the same slots in plain C. Then compares the slot ioctls alone for
    /// both policies, in plain C, on machines that have had slots before.
    mutating func fullBus() throws {
        results.begin(name, "a machine with 256 functions, made anew; C: an empty one and the same slots in a loop")
        guard let layout = Layout.preset("full-bus") else { return }
        var slots: [SlotPolicy: [floor_slot]] = [:]
        for policy in SlotPolicy.allCases {
            var configuration = MachineConfiguration(mode: .real, policy: policy)
            configuration.add(layout)
            let wanted = try Self.slots(of: configuration)
            slots[policy] = wanted
            try compareBuild(configuration, wanted, target: policy == .separate ? 1.10 : nil)
        }
        let separate = FloorMachine(code: [0xf4], spareMemory: Self.memory)
        let coalesced = FloorMachine(code: [0xf4], spareMemory: Self.memory)
        guard let many = slots[.separate], let few = slots[.coalesced] else { return }
        compare(
            [
                Phase(name: "create \(few.count) slots instead of \(many.count)", operations: 1, target: 0.125),
                Phase(name: "delete them", operations: 1, target: 0.125),
            ], with: "C, separate", rounds: rounds(30),
            baseline: { [elapsed { separate.set(many) }, elapsed { separate.delete(many) }] },
            swiftlet: { [elapsed { coalesced.set(few) }, elapsed { coalesced.delete(few) }] })
    }

    private static let memory: UInt64 = 64 << 20

    private mutating func compareBuild(
        _ configuration: MachineConfiguration, _ slots: [floor_slot], target: Double?
    ) throws {
        let policy = configuration.policy.rawValue
        try compare(
            [
                Phase(name: "\(policy), \(slots.count) slots", operations: 1, target: target),
                Phase(name: "\(policy), the machine in all", operations: 1),
            ], rounds: rounds(20),
            baseline: {
                var inSlots = Elapsed(wall: 0, processor: 0)
                let whole = elapsed {
                    let floor = FloorMachine(code: [0xf4], spareMemory: Self.memory)
                    inSlots = elapsed { floor.set(slots) }
                    withExtendedLifetime(floor) {}
                }
                return [inSlots, whole]
            },
            swiftlet: {
                var inSlots = 0.0
                let whole = try elapsed { inSlots = try Self.machine(configuration).mappingTime / .seconds(1) }
                return [Elapsed(wall: inSlots, processor: inSlots), whole]
            })
    }

    /// Returns the slots of a machine without those of its RAM.
    private static func slots(of configuration: MachineConfiguration) throws -> [floor_slot] {
        try machine(configuration).slots.all.dropFirst().enumerated().map { number, slot in
            floor_slot(
                id: UInt32(number + 1), flags: slot.flags.rawValue, guest: slot.range.first.rawValue,
                size: slot.range.size,
                offset: slot.range.first.rawValue - AddressMap.standard.apertures.low.first.rawValue)
        }
    }

    private static func machine(_ configuration: MachineConfiguration) throws -> GuestMachine {
        let image = try Image.flat(byteCount: 1, at: MachineConfiguration.defaultLoadAddress)
        return try GuestMachine(configuration, image: image, bytes: [0xf4], consoleOutput: { _, _ in })
    }
}
