import Board
import Memslots
import PCI
import PCISupport
import PropertySupport
import Testing

@Suite struct AddressAssignerTests {
    private static func apertures(high: UInt64? = nil) throws -> Apertures {
        Apertures(
            low: try range(0xc000_0000, 0x3e00_0000), high: try high.map { try range(0x10_0000_0000, $0) })
    }

    private static func root(_ functions: [FunctionAddress: FunctionDescription]) throws -> RootComplex {
        var root = RootComplex()
        for (address, description) in functions {
            try root.insert(description, at: address)
        }
        return root
    }

    /// Neighbours joined.
    private static func runs(_ ranges: [GuestRange]) -> [GuestRange] {
        var runs: [GuestRange] = []
        for range in ranges.sorted(by: { $0.first < $1.first }) {
            if let last = runs.last, last.isFollowed(by: range),
                let joined = GuestRange(first: last.first, last: range.last)
            {
                runs[runs.count - 1] = joined
            } else {
                runs.append(range)
            }
        }
        return runs
    }

    /// Whichever registers have chosen addresses, those without lie around them: also a BAR around a ROM.
    @Test func chosenAddressesComeBeforeAllOthers() throws {
        var description = FunctionDescription(
            vendorID: 1, deviceID: 2, bars: [0: BARDescription(kind: .memory32, size: 0x1000)])
        description.romSize = 0x1000
        let registers: [BaseAddressRegister] = [.bar(0), .rom]
        for (number, register) in registers.enumerated() {
            var assigner = AddressAssigner(try Self.apertures())
            assigner.fixed = [BAROwner(function: try .at(1), register: register): 0xc000_0000]
            let assigned = try assigner.assign([try .at(1): description])
            #expect(assigned.map(\.base)[number] == 0xc000_0000)
            #expect(Set(assigned.map(\.base)).count == 2)
        }
    }

    @Test func largestComesFirst() throws {
        let assigned = try AddressAssigner(Self.apertures()).assign([.at(1): .full, .at(2): .plain])
        let bases = Dictionary(uniqueKeysWithValues: assigned.map { ("\($0.owner)", $0.base) })
        #expect(bases["00:01.0 BAR 5"] == 0xc000_0000)
        #expect(bases["00:02.0 BAR 0"] == 0xc000_4000)
        #expect(bases["00:01.0 BAR 0"] == 0xc000_8000)
        #expect(bases["00:01.0 BAR 4"] == 0xc000_c000)
        #expect(bases["00:01.0 ROM"] == 0xc000_d000)
        #expect(assigned.map(\.owner) == assigned.map(\.owner).sorted())
    }

    @Test func smallBARsFillTheGapBeforeALargeOne() throws {
        let apertures = Apertures(low: try range(0xc000_2000, 0x10_0000))
        let assigned = try AddressAssigner(apertures).assign([.at(1): .full])
        #expect(
            assigned.map(\.base) == [
                0xc000_2000, 0xc000_3000, 0xc000_8000, 0xc000_9000, 0xc000_a000, 0xc000_4000, 0xc000_b000,
            ])
    }

    /// What a full bus costs when neighbours share a slot: its holes, and no more.
    @Test(arguments: [0, 0x1000, 0x3000] as [UInt64])
    func fullBusIs257RunsAndOneOfROMs(shift: UInt64) throws {
        let functions = Dictionary(
            uniqueKeysWithValues: (0..<256).map { (FunctionAddress(requesterID: $0), FunctionDescription.full) })
        let apertures = Apertures(low: try range(0xc000_0000 + shift, 0x1000_0000))
        var root = try Self.root(functions)
        root.place(try AddressAssigner(apertures).assign(functions), enabling: true)

        var memory = DecodedMemory()
        for address in root.addresses {
            _ = memory.update(try #require(root[address]))
        }
        let mapped = memory.regions.filter { $0.kind == .mapped }
        #expect(memory.hiddenCount == 0 && mapped.count == 256 * 8)
        #expect(Self.runs(mapped.filter { $0.access == .readWrite }.map(\.range)).count == 257)
        #expect(Self.runs(mapped.filter { $0.access == .readOnly }.map(\.range)).count == 1)
    }

    @Test func wideBARsGoHighAndLowWhereThereIsNoRoom() throws {
        let wide = FunctionDescription.plain.with { $0.bars[0] = BARDescription(kind: .memory64, size: 1 << 24) }
        let functions = [try FunctionAddress.at(1): wide, try .at(2): wide]
        func bases(_ high: UInt64?) throws -> [UInt64] {
            try AddressAssigner(Self.apertures(high: high)).assign(functions).map(\.base)
        }
        #expect(try bases(nil) == [0xc000_0000, 0xc100_0000])
        #expect(try bases(1 << 24) == [0x10_0000_0000, 0xc000_0000])
        #expect(try bases(1 << 30) == [0x10_0000_0000, 0x10_0100_0000])
    }

    @Test func avoidedRangesStayFree() throws {
        let wide = FunctionDescription.plain.with { $0.bars[0] = BARDescription(kind: .memory64, size: 1 << 24) }
        let functions = [try FunctionAddress.at(1): wide, try .at(2): wide, try .at(3): wide]
        // A page in the second block of 16 MiB.
        let avoided = try range(0x10_0180_0000, 0x1000)
        let assigner = AddressAssigner(try Self.apertures(high: 1 << 30), avoiding: [avoided])
        #expect(try assigner.assign(functions).map(\.base) == [0x10_0000_0000, 0x10_0200_0000, 0x10_0300_0000])
    }

    @Test func whatFitsButForItsAlignmentIsToldSo() throws {
        let big = FunctionDescription.plain.with { $0.bars[0]?.size = 0x4000_0000 }
        let low = Apertures(low: try range(0xa000_0000, 0x5000_0000))
        let error = #expect(throws: AssignmentError.self) { try AddressAssigner(low).assign([.at(1): big]) }
        #expect(error.map { "\($0)".contains("no free block of that size at a multiple of 1G") } == true)
    }

    @Test func portsHaveAnApertureOfTheirOwn() throws {
        let assigned = try AddressAssigner(Self.apertures()).assign([.at(1): .rich, .at(2): .rich])
        #expect(assigned.filter { $0.owner.register == .bar(2) }.map(\.base) == [0xc000, 0xc020])
    }

    @Test func overflowNamesTheApertureAndTheSizes() throws {
        let big = FunctionDescription.plain.with {
            $0.bars[0]?.size = 0x2000_0000
            $0.romSize = 0x1000
        }
        let functions = [try FunctionAddress.at(1): big, try .at(2): big]
        let error = #expect(throws: AssignmentError.self) {
            try AddressAssigner(Self.apertures()).assign(functions)
        }
        #expect(
            error.map { "\($0)" }
                == "00:02.0 BAR 0: no room for 512M in the low aperture, which has 992M for all BARs "
                + "that need 1048584K: use fewer or smaller BARs")
    }

    @Test func placingEnablesWhatIsThere() throws {
        let functions = [try FunctionAddress.at(1): FunctionDescription.rich, try .at(2): .plain]
        var root = try Self.root(functions)
        let assigned = try AddressAssigner(Self.apertures()).assign(functions)
        root.place(assigned, enabling: false)
        #expect(try root[.at(1)]?.decodedRegions.isEmpty == true)
        root.place(assigned, enabling: true)
        let rich = try #require(try root[.at(1)])
        #expect(rich.isROMEnabled && rich.decodesMemory && rich.decodesPorts && !rich.isBusMaster)
        #expect(try root[.at(2)]?.decodesPorts == false)
        for assignment in assigned {
            #expect(root[assignment.owner.function]?.base(of: assignment.owner.register) == assignment.base)
        }
    }

    @Test(arguments: propertySeeds)
    func randomLayoutsAreAlignedDisjointAndInside(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            let functions = Self.randomFunctions(&random)
            let start = UInt64.random(in: 0x8000_0...0xc000_0, using: &random) << 12
            let apertures = Apertures(
                low: try #require(GuestRange(first: GuestAddress(start), last: GuestAddress(0xfebf_ffff))),
                high: random.next() % 2 == 0 ? nil : try range(1 << 40, 1 << 30))
            guard let assigned = try? AddressAssigner(apertures).assign(functions) else { continue }
            #expect(try AddressAssigner(apertures).assign(functions) == assigned)

            var ranges: [GuestRange] = []
            var lastBAR: UInt64 = 0
            for assignment in assigned {
                #expect(assignment.base % assignment.size == 0)
                let range = try range(assignment.base, assignment.size)
                #expect(apertures.low.contains(range) || apertures.high?.contains(range) ?? false)
                ranges.append(range)
                if assignment.owner.register != .rom, apertures.low.contains(range) {
                    lastBAR = max(lastBAR, range.last.rawValue)
                }
            }
            for assignment in assigned where assignment.owner.register == .rom {
                #expect(assignment.base > lastBAR)
            }
            ranges.sort { $0.first < $1.first }
            #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.last < $1.first }, "seed \(seed)")
            #expect(assigned.count == functions.values.reduce(0) { $0 + $1.registers.count })
        }
    }

    private static func randomFunctions(_ random: inout SplitMix64) -> [FunctionAddress: FunctionDescription] {
        var functions: [FunctionAddress: FunctionDescription] = [:]
        for _ in 0..<Int.random(in: 0...40, using: &random) {
            var bars: [Int: BARDescription] = [:]
            for number in [0, 2, 4] where random.next() % 3 != 0 {
                let kind: BARDescription.Kind = random.next() % 2 == 0 ? .memory32 : .memory64
                bars[number] = BARDescription(kind: kind, size: 1 << UInt64.random(in: 4...26, using: &random))
            }
            let romSize: UInt64? = random.next() % 2 == 0 ? nil : 1 << UInt64.random(in: 11...20, using: &random)
            functions[FunctionAddress(requesterID: UInt16.random(in: 0...999, using: &random))] =
                FunctionDescription(vendorID: 1, deviceID: 2, bars: bars, romSize: romSize)
        }
        return functions
    }
}
