import Board
import Devices
import Memslots
import PCI
import PCISupport
import PropertySupport
import Testing

@Suite("Bridges")
struct BridgeTests {
    /// Buses 1, 2 and 3 are behind one another, bus 4 is behind a bridge of its own.
    private static let chain: [FunctionAddress: FunctionDescription] = [
        address(0, 2): .bridge(1, 3), address(1, 0): .bridge(2, 3), address(2, 0): .bridge(3),
        address(0, 3): .bridge(4),
    ]

    private static func address(_ bus: UInt8, _ device: UInt8) -> FunctionAddress {
        FunctionAddress(requesterID: UInt16(bus) << 8 | UInt16(device) << 3)
    }

    private static func parents(_ functions: [FunctionAddress: FunctionDescription]) -> [UInt8: FunctionAddress] {
        var parents: [UInt8: FunctionAddress] = [:]
        for (address, description) in functions {
            if let bridge = description.bridge { parents[bridge.secondary] = address }
        }
        return parents
    }

    private static func root(
        _ functions: [FunctionAddress: FunctionDescription], _ policy: DecodePolicy = .strict, numbered: Bool = true
    ) throws -> RootComplex {
        var root = RootComplex(
            policy: policy, bridges: try BridgeTree(functions))
        for (address, description) in functions.sorted(by: { $0.key < $1.key }) {
            try root.insert(description, at: address)
            guard numbered, let bridge = description.bridge else { continue }
            let numbers = UInt64(bridge.subordinate) << 16 | UInt64(bridge.secondary) << 8 | UInt64(address.bus)
            write(numbers, address, 0x18, &root)
        }
        return root
    }

    @discardableResult
    private static func write(
        _ value: UInt64, _ address: FunctionAddress, _ register: UInt64, _ root: inout RootComplex
    ) -> DecodedMemory.Change? {
        root.writeECAM(value, at: RootComplex.ecamOffset(of: address, register: register), width: .doubleword)?.change
    }

    // MARK: What is reached

    @Test("a function behind three bridges is there while all windows are, whole in one window of each")
    func threeBridges() throws {
        var functions = Self.chain
        functions[Self.address(3, 0)] = .plain
        var root = try Self.root(functions)
        let bridges = [Self.address(0, 2), Self.address(1, 0), Self.address(2, 0)]
        Self.write(0xe010_0000, Self.address(3, 0), 0x10, &root)
        Self.write(2, Self.address(3, 0), 4, &root)
        for (number, bridge) in bridges.enumerated() {
            #expect(root.memory.regions.isEmpty)
            Self.write(0xe010_e010, bridge, number == 1 ? 0x24 : 0x20, &root)
            Self.write(2, bridge, 4, &root)
        }
        #expect(root.memory.regions.count == 1)
        for bridge in bridges {
            let register: UInt64 = bridge == bridges[1] ? 0x24 : 0x20
            // Away, closed, half, and back.
            for (value, count) in [(0xe020_e020, 0), (0xe000_e010, 0), (0xe010_e010, 1)] as [(UInt64, Int)] {
                Self.write(value, bridge, register, &root)
                #expect(root.memory.regions.count == count)
            }
            Self.write(0, bridge, 4, &root)
            #expect(root.memory.regions.isEmpty)
            Self.write(2, bridge, 4, &root)
        }
        // The function moves out of the windows.
        Self.write(0xe020_0000, Self.address(3, 0), 0x10, &root)
        #expect(root.memory.regions.isEmpty)
    }

    @Test("under lazy decode a region stands that a bridge no longer leads to, until another one is decoded there")
    func lazy() throws {
        var functions = Self.chain
        functions[Self.address(4, 0)] = .plain
        functions[Self.address(0, 9)] = .plain
        var root = try Self.root(functions, .lazy)
        Self.write(0xe010_e010, Self.address(0, 3), 0x20, &root)
        Self.write(2, Self.address(0, 3), 4, &root)
        Self.write(0xe010_0000, Self.address(4, 0), 0x10, &root)
        Self.write(2, Self.address(4, 0), 4, &root)
        for value in [0xe020_e020, 0xe010_e010, 0xe020_e020] as [UInt64] {
            #expect(Self.write(value, Self.address(0, 3), 0x20, &root)?.isEmpty == true)
        }
        Self.write(0xe010_0000, Self.address(0, 9), 0x10, &root)
        let change = Self.write(2, Self.address(0, 9), 4, &root)
        #expect(change?.removed.map(\.owner.function) == [Self.address(4, 0)] && change?.added.count == 1)
    }

    @Test("ports are passed on through I/O windows")
    func ports() throws {
        var functions = Self.chain
        functions[Self.address(2, 1)] = .rich
        var root = try Self.root(functions)
        Self.write(0xc101, Self.address(2, 1), 0x18, &root)
        Self.write(1, Self.address(2, 1), 4, &root)
        for bridge in [Self.address(0, 2), Self.address(1, 0)] {
            #expect(root.trappedPort(0xc110, width: .byte) == nil)
            Self.write(0xc0c0, bridge, 0x1c, &root)
            Self.write(1, bridge, 4, &root)
        }
        #expect(root.trappedPort(0xc110, width: .byte)?.offset == 0x10)
        Self.write(0, Self.address(0, 2), 4, &root)
        #expect(root.trappedPort(0xc110, width: .byte) == nil)
    }

    /// Bridges and functions at few addresses: what is shown is what the bytes of configuration space say, and each change that is
    /// refused leaves no trace.
    @Test(arguments: propertySeeds + [12_863_332_457_244_234_711], [DecodePolicy.strict, .lazy])
    func windowsFollowTheModel(seed: UInt64, policy: DecodePolicy) throws {
        var random = SplitMix64(seed: seed)
        let kinds: [FunctionDescription] = [.plain, .rich, .full]
        var functions = Self.chain
        for bus in UInt8(0)...4 {
            for device in UInt8(8)..<11 { functions[Self.address(bus, device)] = kinds[Int(device) % 3] }
        }
        var root = try Self.root(functions, policy)
        var model = DecodedMemoryModel(policy: policy, reserved: [])
        model.parents = Self.parents(functions)
        let addresses = functions.keys.sorted()
        var (most, refused) = (0, 0)
        for step in 0..<1000 {
            let comment: Comment = "seed \(seed), step \(step)"
            guard let address = addresses.randomElement(using: &random), let description = functions[address] else {
                return
            }
            func value(_ register: UInt64) -> UInt64 {
                if register == 4 { return random.next() % 6 == 0 ? random.next() % 4 : 3 }
                if register == 0x1c { return [0xd0c0, 0xc0c0, 0xd0d0][Int(random.next() % 3)] }
                let (low, high) = (random.next() % 3, random.next() % 4)
                guard description.bridge != nil else { return 0xe000_0000 | random.next() % 4 << 20 | low << 12 | 1 }
                return register > 0x24 ? random.next() % 8 / 7 : (0xe000 | high << 4) << 16 | 0xe000 | low << 4
            }
            let registers: [UInt64] =
                description.bridge == nil
                ? [4, 0x10 + random.next() % 6 * 4, 0x10, 0x30] : [4, 0x1c, 0x20, 0x20, 0x24, 0x28, 0x2c]
            let register = registers[Int(random.next() % UInt64(registers.count))]
            let before = root
            root.agrees = random.next() % 4 != 0
            _ = root.writeECAM(
                value(register), at: RootComplex.ecamOffset(of: address, register: register), width: .doubleword)
            if root.memory.regions != before.memory.regions, !root.agrees { Issue.record(comment) }
            if !root.agrees { refused += 1 }
            // The write may have hidden for good what the removal leaves.
            model.update(root)
            if random.next() % 64 == 0, description.bridge == nil {
                root.remove(address)
                model.update(root)
                try root.insert(description, at: address)
            }
            model.update(root)
            let found = root.memory.regions.map(DecodedMemoryModel.Region.init)
            try #require(found == model.regions.sorted { $0.first < $1.first }, comment)
            most = max(most, found.count)
            let port = 0xc000 + random.next() % 0x2000
            try #require(root.trappedPort(port, width: .byte)?.owner == Self.port(port, root, model), comment)
        }
        #expect(most > 12 && refused > 150, "seed \(seed): \(most) regions")
    }

    /// The I/O BAR behind a port, in the plainest way.
    private static func port(_ port: UInt64, _ root: RootComplex, _ model: DecodedMemoryModel) -> BAROwner? {
        for address in root.addresses {
            guard let function = root[address], function.decodesPorts else { continue }
            for (number, bar) in function.description.bars.sorted(by: { $0.key < $1.key }) where bar.kind == .io {
                let base = function.base(of: .bar(number))
                guard base <= port, port < base + bar.size,
                    model.isPassedOn(root, to: address, base, base + bar.size - 1, [0x1c])
                else { continue }
                return BAROwner(function: address, register: .bar(number))
            }
        }
        return nil
    }

    // MARK: Bus numbers

    /// Software gives buses any numbers: the functions behind are found where a walk down the bridges' registers leads.
    @Test(arguments: propertySeeds)
    func busNumbers(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var functions = Self.chain
        for bus in UInt8(0)...4 {
            functions[Self.address(bus, 9)] = .plain.with { $0.deviceID = 0x100 + UInt16(bus) }
        }
        var root = try Self.root(functions, numbered: false)
        let parents = Self.parents(functions)
        var found = 0
        for step in 0..<1000 {
            let bridges = Self.chain.keys.sorted()
            guard let bridge = bridges.randomElement(using: &random) else { return }
            // By the numbers of the moment, if it can be reached at all.
            let buses = Self.numbers(root, parents)
            if let bus = buses.first(where: { $0.value == bridge.bus })?.key {
                let (first, last) = (random.next() % 9, random.next() % 12)
                Self.write(last << 16 | first << 8, Self.address(bus, bridge.device), 0x18, &root)
            }
            let numbers = Self.numbers(root, parents)
            for bus in UInt8(0)...12 {
                let offset = RootComplex.ecamOffset(of: Self.address(bus, 9), register: 0)
                let read = root.readECAM(at: offset, width: .doubleword)
                let expected: UInt64 = numbers[bus].map { 0x100_1234 + UInt64($0) << 16 } ?? 0xffff_ffff
                try #require(read == expected, "seed \(seed), step \(step), bus \(bus)")
            }
            found = max(found, numbers.count)
        }
        #expect(found > 3, "seed \(seed)")
    }

    /// The bus that each number leads to: a walk down from bus 0.
    private static func numbers(_ root: RootComplex, _ parents: [UInt8: FunctionAddress]) -> [UInt8: UInt8] {
        var numbers: [UInt8: UInt8] = [0: 0]
        func walk(_ bus: UInt8, _ range: ClosedRange<UInt8>) {
            for (secondary, bridge) in parents.sorted(by: { $0.key < $1.key }) where bridge.bus == bus {
                let register = root[bridge]?.config.read(at: 0x18, width: .doubleword) ?? 0
                let (first, last) = (UInt8(register >> 8 & 0xff), UInt8(register >> 16 & 0xff))
                guard first > range.lowerBound, first <= last, last <= range.upperBound else { continue }
                if numbers[first] == nil { numbers[first] = secondary }
                walk(secondary, first...last)
            }
        }
        walk(0, 0...255)
        return numbers
    }

    @Test(
        "buses that are not a bridge's own are refused",
        arguments: [(0, 0), (3, 2), (2, 200), (1, 3), (4, 4)] as [(UInt8, UInt8)])
    func wrongTree(secondary: UInt8, subordinate: UInt8) throws {
        var functions: [FunctionAddress: FunctionDescription] = [
            Self.address(0, 1): .bridge(1, 3), Self.address(0, 2): .bridge(4), Self.address(0, 3): .bridge(5, 9),
        ]
        functions[Self.address(1, 0)] = .bridge(secondary, subordinate)
        let error = #expect(throws: DescriptionError.self) { try BridgeTree(functions) }
        #expect(error.map { "\($0)".contains("01:00.0") || "\($0)".contains("00:02.0") } == true)
    }
}
