import Devices
import Memslots
import PCI
import PCISupport
import Testing

/// A model from outside of the module: memory that it gives itself, a register, ports, a capability of its own, a vector, events.
private struct Recorder: FunctionModel {
    enum Call: Equatable {
        case read(BaseAddressRegister, UInt64, AccessWidth)
        case write(UInt64, BaseAddressRegister, UInt64, AccessWidth)
        case readConfiguration(UInt64, AccessWidth)
        case writeConfiguration(UInt64, UInt64, AccessWidth)
        case add(UInt64, FunctionEvent)
        case reset
    }

    static let event = FunctionEvent(register: .bar(0), offset: 0x1000, size: 4, match: 7)
    static let standard: Range<UInt64> = 0x82..<0x8b
    static let extended: Range<UInt64> = 0x144..<0x150

    let description: FunctionDescription = {
        var description = FunctionDescription(
            vendorID: 0x1af4, deviceID: 0x10f0,
            bars: [
                0: BARDescription(kind: .memory32, size: 0x4000, registers: [0x1000..<0x1010]),
                2: BARDescription(kind: .io, size: 16),
                4: BARDescription(kind: .memory32, size: 0x1000),
            ],
            romSize: 0x1000,
            msix: MSIXDescription(
                vectors: 2, table: BARLocation(bar: 4, offset: 0), pendingBits: BARLocation(bar: 4, offset: 0x800)))
        description.capabilities = [
            CapabilityDescription(
                id: 9, offset: 0x80, body: [1, 2, 3, 4, 5, 6, 7, 8, 9], writable: [0xff], isOwn: true),
            CapabilityDescription(
                id: 0xb, offset: 0x140, version: 1, body: Array(repeating: 0, count: 12), isOwn: true),
            CapabilityDescription(id: 9, offset: 0x90, body: [0, 0], writable: [0xff, 0xff]),
        ]
        return description
    }()

    var calls: [Call] = []
    var areEventsOn = false

    func backing(of piece: BARPiece, in register: BaseAddressRegister) -> Backing? {
        register == .bar(0) ? Backing(id: 5, offset: 0x10_0000 + piece.offsets.lowerBound) : nil
    }

    mutating func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        calls.append(.read(register, offset, width))
        return 0x1122_3344_5566_7788
    }

    mutating func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects {
        calls.append(.write(value, register, offset, width))
        guard offset == 0x1000 else { return .none }
        areEventsOn = true
        return FunctionEffects(vectors: [value, 1, 99], changesEvents: true)
    }

    mutating func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64 {
        calls.append(.readConfiguration(offset, width))
        return 0x1122_3344_5566_7788
    }

    mutating func writeConfiguration(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> FunctionEffects {
        calls.append(.writeConfiguration(value, offset, width))
        return FunctionEffects(vectors: [0])
    }

    var events: [FunctionEvent] { areEventsOn ? [Self.event] : [] }

    mutating func add(count: UInt64, of event: FunctionEvent) { calls.append(.add(count, event)) }

    mutating func reset() {
        areEventsOn = false
        calls.append(.reset)
    }
}

@Suite struct FunctionModelTests {
    private var function: PCIFunction

    /// MSI-X and bus master on, both vectors open.
    init() throws {
        function = try PCIFunction(Recorder(), at: .at(4))
        function.writeSettled(6, at: 0x04, width: .word)
        function.writeSettled(0x8000, at: 0x42, width: .word)
        for vector in 0..<2 as Range<UInt64> {
            for (offset, value) in [(0, 0xfee0_0000), (8, 0x40 + vector), (12, 0)] as [(UInt64, UInt64)] {
                _ = function.writeTrapped(value, .bar(4), at: 16 * vector + offset, width: .doubleword)
            }
        }
    }

    private var calls: [Recorder.Call] { (function.model as? Recorder)?.calls ?? [] }

    private func message(_ vector: UInt32) -> MSIMessage { MSIMessage(address: 0xfee0_0000, data: 0x40 + vector) }

    /// The table, the header and capabilities that are not its own are no business of the model's.
    @Test mutating func modelHearsOfNothingThatAllFunctionsHave() {
        _ = function.read(at: 0, width: .doubleword)
        _ = function.read(at: 0x80, width: .word)
        _ = function.readTrapped(.bar(4), at: 0x800, width: .quadword)
        function.writeSettled(1, at: 0x92, width: .word)
        #expect(calls.isEmpty)
        #expect(function.peek(at: 0x92, width: .word) == 1)
    }

    @Test func memoryIsTheModels() throws {
        #expect(function.decodedRegions.map(\.kind) == [.mapped, .trapped, .mapped, .trapped])
        let backings = function.description.pieces(of: .bar(0)).map { function.model.backing(of: $0, in: .bar(0)) }
        #expect(
            backings.map { $0?.offset } == [0x10_0000, 0x10_1000, 0x10_2000] && backings.allSatisfy { $0?.id == 5 })
        let rom = try #require(function.description.pieces(of: .rom).first)
        #expect(function.model.backing(of: rom, in: .rom) == nil)
    }

    @Test mutating func trappedPlacesAreForwarded() {
        #expect(function.readTrapped(.bar(0), at: 0x1004, width: .word) == 0x7788)
        #expect(function.readTrapped(.bar(2), at: 3, width: .byte) == 0x88)
        #expect(function.readTrapped(.bar(4), at: 0x900, width: .quadword) == 0x1122_3344_5566_7788)
        let outcome = function.writeTrapped(.max, .bar(2), at: 8, width: .doubleword)
        #expect(outcome.asksForNothing)
        #expect(
            calls == [
                .read(.bar(0), 0x1004, .word), .read(.bar(2), 3, .byte), .read(.bar(4), 0x900, .quadword),
                .write(0xffff_ffff, .bar(2), 8, .doubleword),
            ])
    }

    @Test mutating func effectsAreMessagesAndEvents() {
        #expect(function.events.isEmpty)
        let outcome = function.writeTrapped(0xff00, .bar(0), at: 0x1000, width: .byte)
        #expect(outcome == AccessOutcome(messages: [message(0), message(1)], changesEvents: true))
        #expect(function.events == [Recorder.event])
        function.add(count: 3, of: Recorder.event)
        #expect(calls == [.write(0, .bar(0), 0x1000, .byte), .add(3, Recorder.event)])
    }

    @Test mutating func maskedVectorOfAModelPends() {
        function.writeSettled(0xc000, at: 0x42, width: .word)
        let outcome = function.writeTrapped(1, .bar(0), at: 0x1000, width: .doubleword)
        #expect(outcome == AccessOutcome(changesEvents: true))
        #expect(function.writeSettled(0x8000, at: 0x42, width: .word).messages == [message(1)])
    }

    /// A function goes on while memory follows its change of decode.
    @Test mutating func commitKeepsWhatHappenedSinceTheProposal() throws {
        function.writeSettled(0, at: 0x04, width: .word)
        let proposal = try #require(function.write(6, at: 0x04, width: .word).proposal)
        _ = function.writeTrapped(1, .bar(0), at: 0x1000, width: .byte)
        function.isMultifunction = true
        #expect(function.commit(proposal).messages == [message(1)])
        #expect(calls == [.write(1, .bar(0), 0x1000, .byte)] && function.events == [Recorder.event])
        #expect(function.isMultifunction && function.decodesMemory && function.isBusMaster)
    }

    // MARK: Its own capabilities

    /// The accesses of the model that an aligned access makes: itself, if it lies whole in the body of a capability of its own, and
    /// those of its halves, if only a part of it does.
    private func own(_ offset: UInt64, _ width: AccessWidth) -> [Recorder.Call] {
        let bytes = offset..<offset + UInt64(width.rawValue)
        let bodies = [Recorder.standard, Recorder.extended].filter { $0.overlaps(bytes) }
        guard let body = bodies.first else { return [] }
        if body.clamped(to: bytes) == bytes { return [.readConfiguration(offset, width)] }
        guard let half = AccessWidth(rawValue: width.rawValue / 2) else { return [] }
        return own(offset, half) + own(offset + UInt64(half.rawValue), half)
    }

    @Test(arguments: AccessWidth.allCases)
    mutating func ownCapabilitiesAreForwarded(width: AccessWidth) {
        for offset in stride(from: UInt64(0), to: 0x1000, by: 1) {
            let isAligned = width != .quadword && offset.isMultiple(of: UInt64(width.rawValue))
            let expected = isAligned ? own(offset, width) : []
            let before = calls
            let value = function.read(at: offset, width: width)
            #expect(calls == before + expected)
            if expected == [.readConfiguration(offset, width)] { #expect(value == width.mask(0x1122_3344_5566_7788)) }
        }
    }

    @Test mutating func writesOfOwnCapabilitiesAreForwarded() {
        #expect(function.write(.max, at: 0x84, width: .word).outcome?.messages == [message(0)])
        #expect(function.write(.max, at: 0x8a, width: .byte).outcome?.messages == [message(0)])
        #expect(function.write(.max, at: 0x14c, width: .doubleword).outcome?.messages == [message(0)])
        let expected: [Recorder.Call] = [
            .writeConfiguration(0xffff, 0x84, .word), .writeConfiguration(0xff, 0x8a, .byte),
            .writeConfiguration(0xffff_ffff, 0x14c, .doubleword),
        ]
        #expect(calls == expected)
        // Neither outside nor misaligned.
        for (offset, width) in [(0x85, .word), (0x150, .byte), (0x140, .doubleword)] as [(UInt64, AccessWidth)] {
            #expect(function.write(.max, at: offset, width: width).isEmpty)
        }
        #expect(calls == expected)
        // Of an access across an end, the bytes inside.
        #expect(function.write(.max, at: 0x80, width: .doubleword).outcome?.messages == [message(0)])
        #expect(function.write(.max, at: 0x8a, width: .word).outcome?.messages == [message(0)])
        #expect(calls.suffix(2) == [.writeConfiguration(0xffff, 0x82, .word), .writeConfiguration(0xff, 0x8a, .byte)])
    }

    // MARK: Reset, and functions of one kind

    @Test mutating func resetReachesTheModel() {
        _ = function.writeTrapped(0, .bar(0), at: 0x1000, width: .byte)
        function.reset()
        #expect(calls.last == .reset && function.events.isEmpty)
        #expect(!function.isMSIXEnabled && !function.decodesMemory)
    }

    @Test func functionsOfOneKindAreIndependent() throws {
        let shape = try FunctionShape(Recorder().description)
        var written = PCIFunction(Recorder(), at: try .at(4), shape: shape)
        var sibling = PCIFunction(Recorder(), at: try .at(5), shape: shape)
        let fresh = try PCIFunction(Recorder(), at: .at(5))
        for offset in stride(from: UInt64(0), to: 0x1000, by: 4) {
            written.writeSettled(.max, at: offset, width: .doubleword)
        }
        _ = written.writeTrapped(0, .bar(4), at: 12, width: .doubleword)
        _ = written.raise(vector: 1)
        #expect(written.registers != fresh.registers)
        #expect(sibling.registers == fresh.registers && sibling.decodedRegions.isEmpty)
        #expect(sibling.readTrapped(.bar(4), at: 12, width: .doubleword) == 1)
        #expect((sibling.model as? Recorder)?.calls.isEmpty == true)
        // The shape is as before, too: who is made with it later is as after reset.
        #expect(PCIFunction(Recorder(), at: try .at(5), shape: shape).registers == fresh.registers)
        written.reset()
        #expect(written.registers == fresh.registers)
    }

    @Test func copyOfAFunctionIsAnother() throws {
        var copy = function
        _ = copy.writeTrapped(0, .bar(0), at: 0x1000, width: .byte)
        copy.writeSettled(0, at: 0x42, width: .word)
        #expect(calls.isEmpty && function.isMSIXEnabled && function.events.isEmpty)
    }

    @Test func badDescriptionIsRefused() throws {
        struct Bad: FunctionModel {
            let description = FunctionDescription.plain.with { $0.bars[0]?.size = 5 }
        }
        #expect(throws: DescriptionError.sizeNotPowerOfTwo(.bar(0), size: 5)) { try PCIFunction(Bad(), at: .at(4)) }
    }

    /// A model of plain memory needs nothing but a description.
    @Test func defaultsAreThoseOfPlainMemory() throws {
        struct Plain: FunctionModel {
            let description = FunctionDescription.plain
        }
        var function = try PCIFunction(Plain(), at: .at(4))
        let piece = try #require(function.description.pieces(of: .bar(0)).first)
        #expect(function.model.backing(of: piece, in: .bar(0)) == nil && function.events.isEmpty)
        #expect(function.readTrapped(.bar(0), at: 8, width: .doubleword) == 0)
        #expect(function.writeTrapped(1, .bar(0), at: 8, width: .doubleword).asksForNothing)
        function.add(count: 1, of: FunctionEvent(register: .bar(0), offset: 0, size: 1))
        function.reset()
    }
}
