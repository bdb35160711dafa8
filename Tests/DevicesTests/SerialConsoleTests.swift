import Testing

@testable import Devices

@Suite("Serial console")
struct SerialConsoleTests {
    /// Reads all that a guest that polls would get.
    private func poll(_ console: inout SerialConsole) -> [UInt8] {
        var bytes: [UInt8] = []
        while console.read(at: 5, width: .byte).value & 1 != 0 {
            bytes.append(UInt8(truncatingIfNeeded: console.read(at: 0, width: .byte).value))
        }
        return bytes
    }

    @Test("input that comes while other input waits is appended to it")
    func twice() {
        var console = SerialConsole()
        #expect(console.read(at: 5, width: .byte).effects.wantsInput)
        let (first, second) = (Array(0..<200 as Range<UInt8>), Array(100..<250 as Range<UInt8>))
        #expect(!console.receive(first).wantsInput)
        #expect(!console.receive(second).wantsInput)
        #expect(poll(&console) == first + second)
        #expect(console.read(at: 5, width: .byte).effects.wantsInput)
    }

    @Test("the input ends once, behind all that came before")
    func end() {
        var console = SerialConsole()
        _ = console.read(at: 5, width: .byte)
        _ = console.receive(Array("abc".utf8))
        _ = console.receive([])
        _ = console.receive([])
        _ = console.receive(Array("late".utf8))
        #expect(poll(&console) == Array("abc".utf8) + [4])
        #expect(!console.read(at: 5, width: .byte).effects.wantsInput)
    }

    @Test("a guest that has not looked for input is not fed more than its FIFO")
    func silent() {
        var console = SerialConsole()
        #expect(!console.receive(Array("typed".utf8)).wantsInput)
        #expect(!console.write(0, at: 7, width: .byte).wantsInput)
        #expect(poll(&console) == Array("typed".utf8))
    }

    @Test("Linux loses no input when it looks for the port and opens it")
    func linux() {
        var console = SerialConsole(Serial16550(isForLinux: true))
        // LSR and RBR, as Linux reads them without a thought for the data, and FIFOs reset.
        for offset in [5, 0, 5] as [UInt64] {
            let reply = console.read(at: offset, width: .byte)
            #expect(!reply.effects.wantsInput)
        }
        _ = console.write(7, at: 2, width: .byte)
        let early = console.receive([0x41, 0x42])
        let status = console.read(at: 5, width: .byte).value
        #expect(early == .none && status & 1 == 0)
        // IER with all bits on, as a test whether there is a port, and MCR with OUT2.
        _ = console.write(0xf, at: 1, width: .byte)
        let tested = console.read(at: 5, width: .byte).value
        #expect(tested & 1 == 0)
        _ = console.write(8, at: 4, width: .byte)
        _ = console.write(1, at: 1, width: .byte)
        let blind = console.read(at: 0, width: .byte)
        #expect(blind.value == 0)
        let cause = console.read(at: 2, width: .byte)
        let first = console.read(at: 0, width: .byte)
        #expect(cause.value & 0xf == 4 && first.value == 0x41)
        let told = console.read(at: 5, width: .byte)
        let second = console.read(at: 0, width: .byte)
        #expect(told.value & 1 == 1 && second.value == 0x42 && second.effects.wantsInput)
    }
}
