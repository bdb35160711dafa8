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
}
