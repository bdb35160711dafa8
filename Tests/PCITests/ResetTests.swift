import Devices
import Memslots
import PCI
import PCISupport
import Testing

/// A model that notes what it hears, of a function with a power state and two bits that reset it.
private struct Sleeper: FunctionModel {
    enum Heard: Hashable { case command(UInt16), power(UInt8), reset }

    static let command: UInt64 = 4
    static let bar: UInt64 = 0x10
    static let power: UInt64 = 0x44
    static let deviceControl: UInt64 = 0x68
    static let advancedControl: UInt64 = 0x94

    let description: FunctionDescription
    var heard: [Heard] = []

    init(canReset: Bool = true) throws {
        var bytes = [UInt8](repeating: 0, count: 256)
        func set(_ value: UInt32, at offset: Int) {
            for lane in 0..<4 { bytes[offset + lane] = UInt8(truncatingIfNeeded: value >> UInt32(8 * lane)) }
        }
        set(0x1234_1af4, at: 0)
        set(0x0010_0000, at: 4)
        set(0x40, at: 0x34)
        set(0x0203_6001, at: 0x40)  // power management: D1, and no D2
        set(0x0002_9010, at: 0x60)  // PCI Express, version 2
        set(canReset ? 0x1000_0000 : 0, at: 0x64)
        set(canReset ? 0x0306_0013 : 0x0106_0013, at: 0x90)  // advanced features
        description = try FunctionDescription(recorded: ConfigDump(bytes), sizes: [.bar(0): 0x4000])
    }

    mutating func setCommand(_ command: UInt16) { heard.append(.command(command)) }
    mutating func setPowerState(_ state: UInt8) { heard.append(.power(state)) }
    mutating func reset() { heard.append(.reset) }
}

@Suite("Power states and resets of a function") struct ResetTests {
    private var function: PCIFunction
    private var forgotten = 0

    init() throws {
        function = try PCIFunction(Sleeper(), at: .at(4))
        _ = function.writeSettled(0xe000_0000, at: Sleeper.bar, width: .doubleword)
        _ = function.writeSettled(6, at: Sleeper.command, width: .word)
        forget()
    }

    private var all: [Sleeper.Heard] { (function.model as? Sleeper)?.heard ?? [] }
    private var heard: [Sleeper.Heard] { Array(all.dropFirst(forgotten)) }

    private mutating func forget() { forgotten = all.count }

    private mutating func propose(_ value: UInt64, at offset: UInt64, _ width: AccessWidth) throws -> DecodeProposal {
        try #require(function.write(value, at: offset, width: width).proposal)
    }

    @Test("memory goes before the function sleeps, and comes after it has woken")
    mutating func sleepsAndWakes() throws {
        let sleep = try propose(3, at: Sleeper.power, .word)
        #expect(sleep.affectsMemory && sleep.function.decodedRegions.isEmpty && !sleep.isReset)
        function.prepare(sleep)
        #expect(heard == [.power(0)], "awake until its memory has gone")
        _ = function.commit(sleep)
        #expect(heard == [.power(0), .power(3)] && function.decodedRegions.isEmpty)
        let wake = try propose(0, at: Sleeper.power, .byte)
        #expect(wake.function.decodedRegions.count == 1)
        function.prepare(wake)
        #expect(heard.last == .power(0), "awake before its memory comes")
        _ = function.commit(wake)
        #expect(function.decodesMemory && function.base(of: .bar(0)) == 0xe000_0000)
    }

    @Test("a function whose memory cannot go stays awake, and one whose memory cannot come sleeps on")
    mutating func isTakenBack() throws {
        let sleep = try propose(3, at: Sleeper.power, .word)
        function.prepare(sleep)
        function.withdraw(sleep)
        #expect(heard == [.power(0), .power(0)] && function.powerState == 0)
        _ = function.writeSettled(3, at: Sleeper.power, width: .word)
        forget()
        let wake = try propose(0, at: Sleeper.power, .word)
        function.prepare(wake)
        function.withdraw(wake)
        #expect(heard == [.power(0), .power(3)] && function.powerState == 3)
    }

    @Test("states that the function does not have are not taken", arguments: [(1, 1), (2, 0), (3, 3)])
    mutating func states(asked: UInt64, found: UInt64) {
        _ = function.writeSettled(asked, at: Sleeper.power, width: .word)
        #expect(function.peek(at: Sleeper.power, width: .byte) == found)
    }

    @Test("BARs that are written while the function sleeps count when it wakes")
    mutating func moves() throws {
        _ = function.writeSettled(3, at: Sleeper.power, width: .word)
        guard case .done = function.write(0xd000_0000, at: Sleeper.bar, width: .doubleword) else {
            Issue.record("a change of decode")
            return
        }
        _ = function.writeSettled(0, at: Sleeper.power, width: .word)
        #expect(function.decodedRegions.first?.range.first == GuestAddress(0xd000_0000))
    }

    @Test(
        "the bit of a reset resets registers and model, and reads as zero",
        arguments: [
            (Sleeper.deviceControl, AccessWidth.word, UInt64(0x8000)), (Sleeper.deviceControl + 1, .byte, 0x80),
            (Sleeper.deviceControl, .doubleword, 0xffff), (Sleeper.advancedControl, .byte, 1),
        ])
    mutating func resets(offset: UInt64, width: AccessWidth, value: UInt64) throws {
        _ = function.writeSettled(1, at: Sleeper.power, width: .word)
        forget()
        let reset = try propose(value, at: offset, width)
        #expect(reset.isReset && reset.affectsMemory && reset.function.decodedRegions.isEmpty)
        function.prepare(reset)
        function.withdraw(reset)
        #expect(heard.isEmpty && function.powerState == 1 && function.base(of: .bar(0)) == 0xe000_0000)
        let outcome = function.commit(reset)
        #expect(outcome.changesInterrupts && heard == [.command(0), .reset, .power(0)])
        #expect(function.peek(at: Sleeper.command, width: .word) == 0 && function.base(of: .bar(0)) == 0)
        #expect(function.powerState == 0 && function.peek(at: offset, width: width) & value & 0x8001 == 0)
    }

    @Test("a function without function-level reset takes no notice of the bits")
    func cannotReset() throws {
        var function = try PCIFunction(Sleeper(canReset: false), at: .at(4))
        for (offset, value) in [(Sleeper.deviceControl, UInt64(0x8000)), (Sleeper.advancedControl, 1)] {
            guard case .done(AccessOutcome()) = function.write(value, at: offset, width: .word) else {
                Issue.record("\(offset)")
                return
            }
        }
        #expect((function.model as? Sleeper)?.heard == [])
    }

    @Test("with lazy decode memory stands while the function sleeps, and not after a reset")
    mutating func standing() throws {
        var memory = DecodedMemory(policy: .lazy)
        _ = memory.update(function)
        let sleep = try propose(3, at: Sleeper.power, .word)
        #expect(memory.propose(sleep.function).change.isEmpty)
        _ = function.commit(sleep)
        let reset = try propose(0x8000, at: Sleeper.deviceControl, .word)
        let proposal = memory.propose(reset.function, isReset: reset.isReset)
        #expect(proposal.change.removed.count == 1 && memory.regions.isEmpty)
        memory.withdraw(proposal)
        #expect(memory.regions.count == 1)
    }
}
