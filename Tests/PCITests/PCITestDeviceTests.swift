import Devices
import PCI
import PCISupport
import PropertySupport
import Testing

/// The test device as a guest sees it, and what it wants KVM to take.
@Suite struct PCITestDeviceTests {
    private var function: PCIFunction

    init() throws {
        function = try PCIFunction(PCITestDevice(), at: .at(3))
    }

    private func read(_ bar: Int, _ offset: UInt64, _ width: AccessWidth = .doubleword) -> UInt64 {
        function.peekTrapped(.bar(bar), at: offset, width: width)
    }

    /// Writes a place, which sends nothing and changes the events where the first byte of the header is written.
    private mutating func write(_ value: UInt64, _ bar: Int, _ offset: UInt64, _ width: AccessWidth = .byte) {
        let outcome = function.writeTrapped(value, .bar(bar), at: offset, width: width)
        let reachesTheFirstByte = (0..<UInt64(width.rawValue)).contains { offset &+ $0 == 0 }
        #expect(outcome == AccessOutcome(changesEvents: reachesTheFirstByte))
    }

    private func name(_ bar: Int) -> String {
        let bytes = (16..<64).map { UInt8(read(bar, $0, .byte)) }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    @Test func isTheFunctionThatGuestsLookFor() {
        #expect(function.peek(at: 0, width: .doubleword) == 0x0005_1b36)
        #expect(function.peek(at: 8, width: .doubleword) == 0x00ff_0000)
        #expect(function.description.pieces(of: .bar(0)).map(\.kind) == [.trapped])
    }

    @Test mutating func readsZeroBeforeATestAndBehindTheLast() {
        #expect(read(0, 0) == 0 && read(1, 12) == 0)
        write(0, 0, 0)
        #expect(read(0, 1, .byte) == 1)
        write(3, 0, 0)
        #expect((0..<64).allSatisfy { read(0, $0, .byte) == 0 })
        #expect(function.events.isEmpty)
    }

    @Test(arguments: [
        (0, UInt64(0), "mmio-no-eventfd"), (0, 1, "mmio-wildcard-eventfd"), (0, 2, "mmio-datamatch-eventfd"),
        (1, 0, "portio-no-eventfd"), (1, 1, "portio-wildcard-eventfd"), (1, 2, "portio-datamatch-eventfd"),
    ])
    mutating func sixTests(bar: Int, test: UInt64, expectedName: String) {
        write(test, bar, 0)
        #expect(read(bar, 1, .byte) == 1)
        let offset = read(bar, 4)
        #expect(offset == (bar == 0 ? 2048 + test : 128 + 3 + test))
        let data = read(bar, 8)
        #expect(data == (test == 1 ? 0xce : 0xfa))
        #expect(read(bar, 12) == 0)
        #expect(name(bar) == expectedName)
        #expect(name(1 - bar) == expectedName)

        write(data, bar, offset)
        write(data ^ 1, bar, offset)
        write(data, 1 - bar, offset)
        write(data, bar, offset &+ 1)
        write(data, bar, offset, .doubleword)
        #expect(read(bar, 12) == (test == 1 ? 3 : 2))
        let event = function.events.first
        function.add(
            count: 5, of: event ?? FunctionEvent(register: .bar(bar), offset: offset, size: 1))
        #expect(read(bar, 12) == (test == 1 ? 8 : 7))

        #expect(event?.offset == (test == 0 ? nil : offset))
        #expect(event?.match == (test == 2 ? 0xfa : nil))
        #expect(test == 0 || event?.register == .bar(bar) && event?.size == 1)
        #expect(function.events.count == (test == 0 ? 0 : 1))
        write(test, bar, 0)
        #expect(read(bar, 12) == 0)
    }

    private static func offset(bar: Int, _ number: UInt64) -> UInt64 {
        number + (bar == 0 ? 2048 : 131)
    }

    /// Whatever a guest does: the count is of the writes that the present test asks for.
    @Test(arguments: propertySeeds)
    mutating func countFollowsTheModel(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var test: (bar: Int, number: UInt64)?
        var count: UInt64 = 0
        for step in 0..<20_000 {
            let bar = Int(random.next() % 2)
            let width = AccessWidth.allCases.randomElement(using: &random) ?? .byte
            let target: UInt64 = test.map { Self.offset(bar: $0.bar, $0.number) } ?? 7
            let offsets: [UInt64] = [0, 1, target, target &- 1, 15, .max - 2, random.next()]
            let offset = offsets.randomElement(using: &random) ?? 0
            let values: [UInt64] = [0, 1, 2, 3, 0xce, 0xfa, random.next()]
            let value = values.randomElement(using: &random) ?? 0
            write(value, bar, offset, width)
            for lane in 0..<UInt64(width.rawValue) {
                let byte = value >> (8 * lane) & 0xff
                if offset &+ lane == 0 {
                    test = byte < 3 ? (bar, byte) : nil
                    count = 0
                } else if let test, test.bar == bar, test.number == 1 || byte == 0xfa,
                    offset &+ lane == Self.offset(bar: bar, test.number)
                {
                    count += 1
                }
            }
            try #require(read(1 - bar, 12) == (test == nil ? 0 : count), "seed \(seed), step \(step)")
            try #require(
                !function.events.isEmpty == (test.map { $0.number > 0 } ?? false), "seed \(seed), step \(step)")
        }
    }

    @Test mutating func resetEndsTheTest() {
        write(1, 0, 0)
        function.reset()
        #expect(function.events.isEmpty)
        #expect(read(0, 1, .byte) == 0)
    }
}
