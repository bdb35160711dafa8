import Testing

@testable import Devices

@Suite struct PowerPortsTests {
    private func write(_ value: UInt64, at offset: UInt64) -> DeviceEffects {
        var ports = PowerPorts(off: 5)
        return ports.write(value, at: offset, width: .word)
    }

    @Test("the type of sleep and the bit that enters it switch the machine off", arguments: UInt64(0)..<8)
    func off(type: UInt64) {
        #expect(write(type << 2 | 1 << 5, at: 0).powersOff == (type == 5))
        #expect(write(type << 2, at: 0) == .none)
        #expect(write(type << 10 | 1 << 13, at: 8).powersOff == (type == 5))
        #expect(write(type << 10 | 1, at: 8) == .none)
        #expect(PowerPorts(off: 5).read(at: 8, width: .word).value == 1)
    }

    @Test("events can be enabled, and none ever happens")
    func events() {
        var ports = PowerPorts(off: 5)
        let effects = ports.write(0xf_0521, at: 6, width: .word)
        #expect(effects == .none && ports.read(at: 6, width: .word).value == 0x521)
        #expect(ports.read(at: 4, width: .word).value == 0)
        for offset in UInt64(0)..<16 { _ = ports.write(.max, at: offset, width: .doubleword) }
    }

    @Test("the timer counts on")
    func timer() {
        let ports = PowerPorts(off: 5)
        let first = ports.read(at: 12, width: .doubleword).value
        var next = first
        while next == first { next = ports.read(at: 12, width: .doubleword).value }
        #expect(next > first)
    }
}

@Suite struct PanicWatchTests {
    @Test func aPanic() {
        var watch = PanicWatch()
        let text = "[    1.0] Kernel panic - not syncing: VFS: no root\r\n[    1.1] CPU: 0\r\n"
        let early = text.utf8.map { watch.hasEnded(with: $0) }
        #expect(!early.contains(true) && watch.reason == "VFS: no root")
        let end = Array("[    1.2] ---[ end Kernel panic - not syncing: VFS: no root ]---\r\n".utf8)
        let ends = end.map { watch.hasEnded(with: $0) }
        #expect(ends.last == true && !ends.dropLast().contains(true))
    }

    @Test("other lines, of any length, are none")
    func others() {
        var watch = PanicWatch()
        let text = "Kernel panic\n---[ end Kernel panic\nKKK\n" + String(repeating: "K", count: 100_000) + "\n"
        let ends = text.utf8.map { watch.hasEnded(with: $0) }
        #expect(!ends.contains(true) && watch.reason == nil)
    }
}
