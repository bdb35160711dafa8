import Devices
import PCI
import PCISupport
import PropertySupport
import Testing

/// Capabilities at any offset, as software finds them: the lists, the bytes, and what can be written.
@Suite struct CapabilityTests {
    /// A capability as a walk along its list finds it.
    private struct Found: Equatable {
        var id: UInt64
        var offset: UInt64
        var version: UInt64?
    }

    /// The list that begins at 0x34 (PCI 3.0, 6.7).
    private static func standardList(of function: PCIFunction) -> [Found] {
        var found: [Found] = []
        var offset = function.peek(at: 0x34, width: .byte)
        guard function.peek(at: 0x06, width: .word) & 0x10 != 0 else { return found }
        while offset != 0, found.count < 64 {
            found.append(Found(id: function.peek(at: offset, width: .byte), offset: offset))
            offset = function.peek(at: offset + 1, width: .byte)
        }
        return found
    }

    /// The list that begins at 0x100 (PCIe, 7.6.3).
    private static func extendedList(of function: PCIFunction) -> [Found] {
        var found: [Found] = []
        var offset: UInt64 = 0x100
        while offset != 0, found.count < 1024 {
            let header = function.peek(at: offset, width: .doubleword)
            // All zeros at 0x100: there is no list.
            if header == 0 { break }
            found.append(Found(id: header & 0xffff, offset: offset, version: header >> 16 & 0xf))
            offset = header >> 20
        }
        return found
    }

    private static func function(_ capabilities: [CapabilityDescription]) throws -> PCIFunction {
        try PCIFunction(.plain.with { $0.capabilities = capabilities }, at: .at(4))
    }

    // MARK: The lists

    @Test func functionWithoutCapabilitiesHasNoList() throws {
        let function = try Self.function([])
        #expect(function.peek(at: 0x34, width: .byte) == 0 && function.peek(at: 0x06, width: .word) == 0)
        #expect(Self.extendedList(of: function).isEmpty)
    }

    @Test func listIsInOrderOfOffsets() throws {
        let description = FunctionDescription.rich.with {
            $0.msiVectors = 4
            $0.msixOffset = 0xa0
            $0.msiOffset = 0x48
            $0.capabilities = [
                CapabilityDescription(id: 0x10, offset: 0xc0, body: Array(repeating: 0, count: 58)),
                CapabilityDescription(id: 0x01, offset: 0x40, body: [1, 2, 3, 4]),
            ]
        }
        let function = try PCIFunction(description, at: .at(4))
        #expect(
            Self.standardList(of: function) == [
                Found(id: 0x01, offset: 0x40), Found(id: 0x05, offset: 0x48), Found(id: 0x11, offset: 0xa0),
                Found(id: 0x10, offset: 0xc0),
            ])
        #expect(Self.extendedList(of: function).isEmpty)
    }

    @Test func extendedListBeginsAt0x100() throws {
        let function = try Self.function([
            CapabilityDescription(id: 0x0b, offset: 0x1f0, version: 15, body: [1]),
            CapabilityDescription(id: 0x1_03, offset: 0x100, version: 2),
        ])
        #expect(
            Self.extendedList(of: function) == [
                Found(id: 0x103, offset: 0x100, version: 2), Found(id: 0x0b, offset: 0x1f0, version: 15),
            ])
        #expect(Self.standardList(of: function).isEmpty)
    }

    /// Software looks at 0x100 and nowhere else.
    @Test func emptyCapabilityLeadsToTheFirst() throws {
        let function = try Self.function([
            CapabilityDescription(id: 0x0b, offset: 0xffc, version: 1),
            CapabilityDescription(id: 0xffff, offset: 0x104, version: 1),
        ])
        #expect(function.peek(at: 0x100, width: .doubleword) == 0x104 << 20)
        #expect(
            Self.extendedList(of: function) == [
                Found(id: 0, offset: 0x100, version: 0), Found(id: 0xffff, offset: 0x104, version: 1),
                Found(id: 0x0b, offset: 0xffc, version: 1),
            ])
    }

    @Test func capabilitiesCanFillTheirPart() throws {
        let function = try Self.function(
            stride(from: UInt64(0x40), to: 0x100, by: 4).map { CapabilityDescription(id: 9, offset: $0, body: [7, 7]) }
                + stride(from: UInt64(0x100), to: 0x1000, by: 4).map {
                    CapabilityDescription(id: 0xb, offset: $0, version: 1)
                })
        #expect(Self.standardList(of: function).map(\.offset) == Array(stride(from: 0x40, to: 0x100, by: 4)))
        #expect(Self.extendedList(of: function).map(\.offset) == Array(stride(from: 0x100, to: 0x1000, by: 4)))
    }

    // MARK: The bytes

    /// Random capabilities without an overlap, beside MSI and MSI-X at random places.
    private static func description(using random: inout SplitMix64) -> FunctionDescription {
        var description = FunctionDescription.rich
        var taken: [Range<UInt64>] = []
        func place(_ size: UInt64, in space: Range<UInt64>) -> UInt64? {
            let offset = UInt64.random(in: space.lowerBound / 4..<space.upperBound / 4, using: &random) * 4
            let range = offset..<offset + size
            guard range.upperBound <= space.upperBound, !taken.contains(where: range.overlaps) else { return nil }
            taken.append(range)
            return offset
        }
        if let offset = place(12, in: 0x40..<0x100) { description.msixOffset = offset } else { description.msix = nil }
        if Bool.random(using: &random), let offset = place(24, in: 0x40..<0x100) {
            description.msiOffset = offset
            description.msiVectors = 8
        }
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            let isExtended = Bool.random(using: &random)
            let count = Int.random(in: 0...20, using: &random)
            guard
                let offset = place(UInt64(count) + (isExtended ? 4 : 2), in: isExtended ? 0x100..<0x1000 : 0x40..<0x100)
            else { continue }
            description.capabilities.append(
                CapabilityDescription(
                    id: .random(in: 1...0xff, using: &random), offset: offset,
                    version: isExtended ? .random(in: 0...15, using: &random) : nil,
                    body: (0..<count).map { _ in .random(in: .min ... .max, using: &random) },
                    writable: (0..<Int.random(in: 0...24, using: &random)).map { _ in
                        .random(in: .min ... .max, using: &random)
                    }))
        }
        description.capabilities.shuffle(using: &random)
        return description
    }

    @Test(arguments: propertySeeds)
    func listsHoldAllCapabilitiesInOrder(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<300 {
            let description = Self.description(using: &random)
            let function = try PCIFunction(description, at: .at(4))
            var standard = description.capabilities.filter { $0.version == nil }
                .map { Found(id: UInt64($0.id), offset: $0.offset) }
            if description.msix != nil { standard.append(Found(id: 0x11, offset: description.msixOffset)) }
            if description.msiVectors != nil { standard.append(Found(id: 0x05, offset: description.msiOffset)) }
            var extended = description.capabilities.compactMap { capability in
                capability.version.map {
                    Found(id: UInt64(capability.id), offset: capability.offset, version: UInt64($0))
                }
            }
            if !extended.isEmpty, !extended.contains(where: { $0.offset == 0x100 }) {
                extended.append(Found(id: 0, offset: 0x100, version: 0))
            }
            standard.sort { $0.offset < $1.offset }
            extended.sort { $0.offset < $1.offset }
            try #require(Self.standardList(of: function) == standard, "seed \(seed)")
            try #require(Self.extendedList(of: function) == extended, "seed \(seed)")
        }
    }

    /// Each byte of a body has its own mask, whatever the width of the write.
    @Test(arguments: propertySeeds)
    func bodiesAreWrittenByTheirMasks(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<60 {
            let description = Self.description(using: &random)
            var function = try PCIFunction(description, at: .at(4))
            var expected = function.bytes
            var masks: [UInt64: UInt8] = [:]
            for capability in description.capabilities {
                let start = capability.offset + (capability.version == nil ? 2 : 4)
                for (index, byte) in capability.body.enumerated() {
                    #expect(expected[Int(start) + index] == byte, "seed \(seed)")
                    masks[start + UInt64(index)] = index < capability.writable.count ? capability.writable[index] : 0
                }
            }
            for _ in 0..<200 {
                let width = [AccessWidth.byte, .word, .doubleword].randomElement(using: &random) ?? .byte
                guard let capability = description.capabilities.randomElement(using: &random) else { break }
                let offset = (capability.offset + random.next() % 24) & ~UInt64(width.rawValue - 1)
                let lanes = (0..<UInt64(width.rawValue)).map { offset + $0 }
                // A write that reaches another kind of register does more than this test says.
                guard offset < 0x1000, lanes.allSatisfy({ masks[$0] != nil }) else { continue }
                let value = random.next()
                #expect(function.write(value, at: offset, width: width).isEmpty, "seed \(seed)")
                for (lane, place) in lanes.enumerated() {
                    let mask = masks[place] ?? 0
                    let byte = UInt8(truncatingIfNeeded: value >> UInt64(8 * lane))
                    expected[Int(place)] = expected[Int(place)] & ~mask | byte & mask
                }
            }
            #expect(function.bytes == expected, "seed \(seed)")
            function.reset()
            #expect(try function.bytes == PCIFunction(description, at: .at(4)).bytes, "seed \(seed)")
        }
    }

    @Test func headersAreReadOnly() throws {
        var function = try Self.function([
            CapabilityDescription(id: 9, offset: 0x40, body: [0, 0], writable: [0xff, 0xff]),
            CapabilityDescription(id: 0xb, offset: 0x100, version: 1, body: [0], writable: [0xff, 0xff]),
        ])
        function.writeSettled(.max, at: 0x40, width: .doubleword)
        #expect(function.peek(at: 0x40, width: .doubleword) == 0xffff_0009)
        function.writeSettled(.max, at: 0x100, width: .doubleword)
        #expect(function.peek(at: 0x100, width: .doubleword) == 0x0001_000b)
        function.writeSettled(.max, at: 0x104, width: .doubleword)
        #expect(function.peek(at: 0x104, width: .doubleword) == 0xff)
    }
}

extension PCIFunction {
    /// All of configuration space.
    fileprivate var bytes: [UInt8] {
        (0..<ConfigSpace.size).map { UInt8(truncatingIfNeeded: peek(at: $0, width: .byte)) }
    }
}
