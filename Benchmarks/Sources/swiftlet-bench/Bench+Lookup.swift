import Floor
import Memslots
import SeededRandom

extension Bench {
    /// Compares look-ups of random addresses in a table. Half of them are in slots, half in holes.
    mutating func lookup() throws {
        results.begin(name, "random addresses, half of them in holes; C: a search without branches in a sorted array")
        for count in [9, 2048, 32764] {
            try lookup(among: count)
        }
    }

    private mutating func lookup(among count: Int) throws {
        let pages = ScatteredPages(count: count, order: .random, firstID: 0)
        let table = try MemslotTable(holding: pages.slots)
        let sorted = pages.slots.sorted { $0.guest < $1.guest }
        let floor = FloorTable(sorted)
        let addresses = Self.addresses(in: sorted, count: 100_000)
        let target = 1.2

        let ids = floor.sumOfIDs(at: addresses, hole: Self.holeID)
        let finds = floor.sumOfFinds(at: addresses)
        precondition(table.sumOfIDs(at: addresses, hole: Self.holeID) == ids)
        precondition(table.sumOfFinds(at: addresses) == finds)

        compare(
            [
                Phase(name: "\(count) slots: slotID(at:)", operations: addresses.count, target: target),
                Phase(name: "\(count) slots: find", operations: addresses.count, target: target),
            ], rounds: rounds(60),
            baseline: {
                [
                    elapsed { precondition(floor.sumOfIDs(at: addresses, hole: Self.holeID) == ids) },
                    elapsed { precondition(floor.sumOfFinds(at: addresses) == finds) },
                ]
            },
            swiftlet: {
                [
                    elapsed { precondition(table.sumOfIDs(at: addresses, hole: Self.holeID) == ids) },
                    elapsed { precondition(table.sumOfFinds(at: addresses) == finds) },
                ]
            })
    }

    private static let holeID: UInt64 = 1 << 32

    /// Returns random addresses: half of them in a random slot, half in the hole behind one.
    private static func addresses(in slots: [floor_slot], count: Int) -> [UInt64] {
        var random = SplitMix64(seed: 3)
        return (0..<count).map { number in
            let slot = slots[Int.random(in: 0..<slots.count, using: &random)]
            let offset = UInt64.random(in: 0..<slot.size, using: &random)
            return slot.guest + offset + (number % 2 == 0 ? 0 : slot.size)
        }.shuffled(using: &random)
    }
}

extension MemslotTable {
    /// Makes a table with these slots, by adding them in their order.
    init(holding slots: [floor_slot]) throws {
        self.init(limits: SlotLimits(userSlots: 32764))
        for slot in slots {
            try add(slot)
        }
    }

    /// Adds a slot. It must get the id that it has in `slot`.
    mutating func add(_ slot: floor_slot) throws {
        let range = ScatteredPages.range(slot.guest, size: slot.size)
        let request = try request(for: .create(range, host: slot.offset, flags: []))
        precondition(request.slot == slot.id)
        apply(try change(for: request))
    }

    @inline(never)
    fileprivate func sumOfIDs(at addresses: [UInt64], hole: UInt64) -> UInt64 {
        var sum: UInt64 = 0
        for address in addresses {
            if let id = slotID(at: GuestAddress(address)) { sum &+= UInt64(id) } else { sum &+= hole }
        }
        return sum
    }

    @inline(never)
    fileprivate func sumOfFinds(at addresses: [UInt64]) -> UInt64 {
        var sum: UInt64 = 0
        for address in addresses {
            switch find(GuestAddress(address)) {
            case .slot(let slot):
                sum &+= slot.range.first.rawValue &+ slot.range.last.rawValue &+ slot.host
                sum &+= UInt64(slot.id) &+ UInt64(slot.flags.rawValue)
            case .hole(let hole): sum &+= hole.first.rawValue &+ hole.last.rawValue
            }
        }
        return sum
    }
}
