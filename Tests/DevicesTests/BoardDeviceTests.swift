import Devices
import Testing

/// The small devices of a PC's board.
@Suite struct BoardDeviceTests {
    @Test func twiceTheCodeAndOne() {
        let port = ExitPort(.twiceAndOne)
        #expect(port.write(0, at: 0, width: .byte).exitStatus == 1)
        #expect(port.write(0x1234_5603, at: 0, width: .byte).exitStatus == 7)
        #expect(port.write(0xffff_ffff, at: 0, width: .doubleword).exitStatus == .max)
        #expect(port.write(3, at: 1, width: .byte) == .none)
        #expect(ExitPort().write(3, at: 0, width: .byte).exitStatus == 3)
    }

    @Test func resets() {
        for value in UInt64(0)...255 {
            let keyboard = ResetPort.keyboardController.write(value, at: 0, width: .byte)
            #expect(keyboard.resets == (value == 0xfe))
            let control = ResetPort.resetControl.write(value, at: 0, width: .byte)
            #expect(control.resets == (value & 4 != 0))
        }
        // Its input buffer is never full, and guests that wait for that go on.
        #expect(ResetPort.keyboardController.read(at: 0, width: .byte).value == 0xfd)
    }

    private func screen(_ text: String, attribute: UInt8 = 7) -> [UInt8] {
        let bytes = Array(text.utf8).flatMap { [$0, attribute] }
        return bytes + [UInt8](repeating: 0, count: TextScreen.size - bytes.count)
    }

    @Test func theScreenIsText() {
        #expect(TextScreen.text(of: screen("Hello  ")) == "Hello")
        #expect(TextScreen.text(of: screen(String(repeating: " ", count: 160) + "  x")) == "\n\n  x")
        var boxes = screen("")
        (boxes[0], boxes[2], boxes[4]) = (0xc9, 0xcd, 0xff)
        #expect(TextScreen.text(of: boxes) == "╔═\u{a0}")
    }

    @Test func whatIsNoText() {
        #expect(TextScreen.text(of: screen("")) == nil)
        #expect(TextScreen.text(of: screen("   ")) == nil)
        #expect(TextScreen.text(of: screen("a\u{1}")) == nil)
        #expect(TextScreen.text(of: []) == nil)
        // Colours alone are none.
        #expect(TextScreen.text(of: [UInt8](repeating: 0, count: TextScreen.size)) == nil)
    }
}
