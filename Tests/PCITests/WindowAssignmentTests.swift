import Board
import Memslots
import PCI
import PCISupport
import PropertySupport
import Testing

@Suite("Assigned windows of bridges")
struct WindowAssignmentTests {
    private static func address(_ bus: UInt8, _ device: UInt8) -> FunctionAddress {
        FunctionAddress(requesterID: UInt16(bus) << 8 | UInt16(device) << 3)
    }

    private static func apertures() throws -> Apertures {
        Apertures(low: try range(0xd000_0000, 0x2ec0_0000), high: try range(1 << 40, 1 << 40))
    }

    private static func function(_ bars: (BARDescription.Kind, UInt64, Bool)...) -> FunctionDescription {
        var description = FunctionDescription(vendorID: 1, deviceID: 1)
        for (number, (kind, size, isPrefetchable)) in bars.enumerated() {
            description.bars[2 * number] = BARDescription(kind: kind, size: size, isPrefetchable: isPrefetchable)
        }
        return description
    }

    private static func windows(_ assignments: [AddressAssignment]) -> [String: ClosedRange<UInt64>] {
        Dictionary(
            uniqueKeysWithValues: assignments.map { ("\($0.owner)", $0.base...$0.base + $0.size - 1) })
    }

    @Test("windows are sized from the farthest bus up: prefetchable memory of 64 bits, and the rest below 4 GiB")
    func bottomUp() throws {
        let functions: [FunctionAddress: FunctionDescription] = [
            Self.address(0, 1): .bridge(1, 3), Self.address(1, 0): .bridge(2, 2), Self.address(1, 1): .bridge(3, 3),
            Self.address(2, 0): Self.function(
                (.memory64, 1 << 30, true), (.memory64, 1 << 14, false), (.memory32, 1 << 20, true)),
            Self.address(3, 0): Self.function((.memory64, 1 << 28, true), (.io, 64, false)),
        ]
        let found = Self.windows(try AddressAssigner(Self.apertures()).assign(functions))
        let high: UInt64 = 1 << 40
        // By hand: 1 MiB and 16 KiB below 4 GiB; 1 GiB, then 256 MiB above.
        #expect(
            found["02:00.0 BAR 4"] == 0xd000_0000...0xd00f_ffff && found["02:00.0 BAR 2"] == 0xd010_0000...0xd010_3fff)
        #expect(found["01:00.0 memory window"] == 0xd000_0000...0xd01f_ffff)
        #expect(found["01:00.0 prefetchable window"] == high...high + (1 << 30 - 1))
        #expect(found["01:01.0 prefetchable window"] == high + 1 << 30...high + (1 << 30 + 1 << 28 - 1))
        #expect(found["01:01.0 memory window"] == nil)
        #expect(found["01:01.0 I/O window"] == 0xc000...0xcfff)
        #expect(found["00:01.0 memory window"] == found["01:00.0 memory window"])
        #expect(found["00:01.0 prefetchable window"] == high...high + (1 << 30 + 1 << 28 - 1))
    }

    @Test("room is kept for what is plugged in later, and for virtual functions that are off")
    func reserves() throws {
        var bridge = FunctionDescription.bridge(1)
        bridge.bridge?.reserve = [.memory: 3 << 20, .prefetchable: 5 << 20]
        var card = Self.function((.memory64, 1 << 20, true))
        (card.virtualCount, card.virtualBARs) = (
            16, [0: BARDescription(kind: .memory64, size: 1 << 18, isPrefetchable: true)]
        )
        let found = Self.windows(
            try AddressAssigner(Self.apertures()).assign([
                Self.address(0, 1): bridge, Self.address(0, 2): .bridge(2), Self.address(2, 0): card,
            ]))
        #expect(found["00:01.0 memory window"].map(\.count) == 3 << 20)
        #expect(found["00:01.0 prefetchable window"].map(\.count) == 5 << 20)
        #expect(found["02:00.0 VF BAR 0"].map(\.count) == 4 << 20)
        #expect(found["00:02.0 prefetchable window"].map(\.count) == 5 << 20)
        // A device with a BAR of 4 MiB finds an address in the reserve.
        #expect(found["00:01.0 prefetchable window"].map { $0.lowerBound % (4 << 20) } == 0)
        #expect(found["00:01.0 memory window"].map { $0.lowerBound % (2 << 20) } == 0)
    }

    /// BARs and ROMs are powers of two, so that without gaps between them a window has their sum, rounded up to 1 MiB.
    @Test("windows are the least that hold their BARs and ROMs", arguments: propertySeeds)
    func leastWindows(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            var functions: [FunctionAddress: FunctionDescription] = [Self.address(0, 1): .bridge(1)]
            var sum: UInt64 = 0
            for device in UInt8(0)..<UInt8.random(in: 1...6, using: &random) {
                let (bar, rom) = (UInt64.random(in: 4...25, using: &random), UInt64.random(in: 11...24, using: &random))
                var function = Self.function((.memory32, 1 << bar, false))
                function.romSize = 1 << rom
                functions[Self.address(1, device)] = function
                sum += 1 << bar + 1 << rom
            }
            let found = Self.windows(try AddressAssigner(Self.apertures()).assign(functions))
            let size = found["00:01.0 memory window"].map { UInt64($0.count) }
            #expect(size == (sum + 0xf_ffff) & ~0xf_ffff, "seed \(seed)")
            #expect(AddressAssigner.need(functions)[0] == size, "seed \(seed)")
            functions[Self.address(0, 1)] = nil
            #expect(AddressAssigner.need(functions)[0] == sum, "seed \(seed)")
        }
        // The window with the gap behind it comes last: 16 MiB, then 16 MiB and 1 MiB.
        let two: [FunctionAddress: FunctionDescription] = [
            Self.address(0, 1): .bridge(1), Self.address(0, 2): .bridge(2),
            Self.address(1, 0): Self.function((.memory32, 16 << 20, false), (.memory32, 1 << 20, false)),
            Self.address(2, 0): Self.function((.memory32, 16 << 20, false)),
        ]
        #expect(AddressAssigner.need(two)[0] == 33 << 20)
    }

    @Test("a BAR with a fixed address has it, and the windows above it lie around it")
    func fixed() throws {
        let functions: [FunctionAddress: FunctionDescription] = [
            Self.address(0, 1): .bridge(1, 2), Self.address(1, 0): .bridge(2),
            Self.address(2, 0): Self.function((.memory64, 1 << 30, true), (.memory64, 1 << 20, true)),
            Self.address(0, 9): Self.function((.memory64, 1 << 30, true)),
        ]
        var assigner = AddressAssigner(try Self.apertures())
        let owner = BAROwner(function: Self.address(2, 0), register: .bar(0))
        assigner.fixed = [owner: 1 << 40]
        let found = Self.windows(try assigner.assign(functions))
        #expect(found["02:00.0 BAR 0"]?.lowerBound == 1 << 40)
        #expect(found["00:01.0 prefetchable window"] == UInt64(1) << 40...UInt64(1) << 40 + (1 << 30 + 1 << 20 - 1))
        #expect(found["00:09.0 BAR 0"]?.lowerBound == 1 << 40 + 2 << 30)
        for wrong: UInt64 in [1 << 40 + 1 << 20, 3 << 40, 0xd000_0000, 0, .max << 30] {
            assigner.fixed = [owner: wrong]
            #expect(throws: AssignmentError.self) { try assigner.assign(functions) }
        }
        assigner.fixed = [owner: 1 << 40, BAROwner(function: Self.address(0, 9), register: .bar(0)): 1 << 40]
        #expect(throws: AssignmentError.self) { try assigner.assign(functions) }
    }

    @Test("I/O windows for which there is no room stay closed; BARs on root buses have their ports")
    func ports() throws {
        var functions: [FunctionAddress: FunctionDescription] = [Self.address(0, 20): Self.function((.io, 256, false))]
        for number in UInt8(1)...6 {
            functions[Self.address(0, number)] = .bridge(number)
            functions[Self.address(number, 0)] = Self.function((.io, 32, false))
        }
        let found = Self.windows(try AddressAssigner(Self.apertures()).assign(functions))
        #expect(found["00:14.0 BAR 0"] == 0xc000...0xc0ff)
        #expect((1...6).map { found["00:0\($0).0 I/O window"]?.lowerBound } == [0xd000, 0xe000, 0xf000, nil, nil, nil])
        #expect(found["04:00.0 BAR 0"] == nil)
    }

    /// Any tree of bridges with any functions: once everything is where it was assigned, all of it is found.
    @Test(arguments: propertySeeds)
    func everythingIsFound(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for round in 0..<30 {
            var functions: [FunctionAddress: FunctionDescription] = [:]
            var next: UInt8 = 0
            func grow(_ bus: UInt8, _ depth: Int) {
                for device in UInt8(0)..<4 {
                    let isBridge = depth < 4 && next < 40 && random.next() % 2 == 0
                    if isBridge {
                        next += 1
                        let secondary = next
                        grow(secondary, depth + 1)
                        functions[Self.address(bus, device)] = .bridge(secondary, next)
                    } else if random.next() % 3 > 0 {
                        var function = FunctionDescription(vendorID: 1, deviceID: 1)
                        for number in 0..<3 where random.next() % 2 == 0 {
                            function.bars[2 * number] = BARDescription(
                                kind: random.next() % 2 == 0 ? .memory32 : .memory64,
                                size: 4096 << (random.next() % 10),
                                isPrefetchable: random.next() % 2 == 0)
                        }
                        if random.next() % 3 == 0 { function.romSize = 4096 << (random.next() % 6) }
                        functions[Self.address(bus, device)] = function
                    }
                }
            }
            grow(0, 0)
            let assigned = try AddressAssigner(Self.apertures()).assign(functions)
            var root = RootComplex(bridges: try BridgeTree(functions))
            for (address, description) in functions { try root.insert(description, at: address) }
            root.place(assigned)
            let all = functions.values.reduce(0) { sum, description in
                sum + description.registers.reduce(0) { $0 + description.pieces(of: $1).count }
            }
            #expect(root.memory.regions.count == all && root.memory.hiddenCount == 0, "seed \(seed), round \(round)")
            // What is needed in apertures without an end is not more than was used.
            let need = AddressAssigner.need(functions)[1]
            let ends = assigned.filter { $0.base >= 1 << 40 }.map { $0.base + $0.size - 1 << 40 }.max() ?? 0
            #expect(need == ends, "seed \(seed), round \(round)")
        }
    }
}
