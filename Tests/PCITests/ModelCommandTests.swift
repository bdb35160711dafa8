import Devices
import Memslots
import PCI
import Testing

/// A model with a command register of its own, which notes what it hears.
private struct Listener: FunctionModel {
    let description = FunctionDescription(
        vendorID: 0x1af4, deviceID: 1, bars: [0: BARDescription(kind: .memory32, size: 4096)])
    var heard: [UInt16] = []

    mutating func setCommand(_ command: UInt16) { heard.append(command) }
}

@Suite("The command register of a model's own") struct ModelCommandTests {
    private var function: PCIFunction

    init() throws {
        function = try PCIFunction(Listener(), at: FunctionAddress(requesterID: 8))
    }

    private var heard: [UInt16] { (function.model as? Listener)?.heard ?? [] }

    private mutating func propose(_ command: UInt64) throws -> DecodeProposal {
        guard case .proposed(let proposal) = function.write(command, at: 4, width: .word) else {
            throw NotProposed()
        }
        return proposal
    }

    private struct NotProposed: Error {}

    @Test("answers before memory comes, and until it has gone") mutating func staysInStep() throws {
        let on = try propose(6)
        #expect(heard.isEmpty)
        function.prepare(on)
        #expect(heard == [6])
        _ = function.commit(on)
        #expect(heard == [6, 6])
        let off = try propose(4)
        function.prepare(off)
        #expect(heard == [6, 6, 6])
        _ = function.commit(off)
        #expect(heard == [6, 6, 6, 4])
    }

    @Test("is as before when memory cannot follow") mutating func isTakenBack() throws {
        let on = try propose(2)
        function.prepare(on)
        function.withdraw(on)
        #expect(heard == [2, 0])
        #expect(!function.decodesMemory)
    }

    @Test("hears of bus mastering at once, and of no other register") mutating func hearsOfTheRest() throws {
        guard case .done = function.write(4, at: 4, width: .word) else { throw NotProposed() }
        #expect(heard == [4])
        guard case .done = function.write(0x12, at: 0x3c, width: .byte) else { throw NotProposed() }
        #expect(heard == [4])
    }
}
