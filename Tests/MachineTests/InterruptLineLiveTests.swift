import LiveSupport
import PCI
import Testing

@testable import Machine

@Suite("Interrupt lines of described functions", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct InterruptLineLiveTests {
    /// Two functions that share line 5, and one behind a bridge, whose pin 3 becomes pin 4 of device 1: line 9.
    private static let first = FunctionAddress(device: 2)
    private static let second = FunctionAddress(device: 6)
    private static let behind = FunctionAddress(requesterID: 0x0100)

    private static func machine(_ code: GuestCode) throws -> GuestMachine {
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration())
        guest.configuration.interruptController = .kernel
        for (address, pin) in [(first, 1), (second, 1), (behind, 3)] {
            var description = FunctionDescription(
                vendorID: 0x1af4, deviceID: 0x10f4, bars: [0: BARDescription(kind: .memory32, size: 0x1000)],
                doorbell: BARLocation(bar: 0, offset: 0))
            description.interruptPin = UInt8(pin)
            guest.configuration.functions[address] = DescribedFunction(description)
        }
        var bridge = FunctionDescription(vendorID: 0x1af4, deviceID: 0x10f3, classCode: 0x060400)
        bridge.bridge = BridgeDescription(secondary: 1, subordinate: 1)
        guest.configuration.functions[FunctionAddress(device: 1)] = DescribedFunction(bridge)
        return try guest.machine()
    }

    @Test("a line is up as long as one of its functions wants it up")
    func levels() throws {
        let places = try Self.machine(GuestCode { $0.exit(0) })
        func bell(_ function: FunctionAddress) -> UInt32 {
            UInt32(truncatingIfNeeded: places.register(0x10, of: function))
        }
        // What the PICs show is masked with the bit of the line.
        var count: UInt32 = 0
        var expected: [(bit: UInt32, isUp: Bool)] = []
        func expect(_ isUp: Bool, _ code: inout GuestCode, line: UInt32 = 5) {
            let pic: UInt32 = line < 8 ? 0x20 : 0xa0
            code.outByte(0x0a, pic)
            code.set(0)
            code.inByte(pic)
            code.keep(count)
            count += 1
            expected.append((1 << (line & 7), isUp))
        }
        let code = GuestCode { code in
            code.outByte(1 << 5, 0x4d0)  // level-triggered
            code.outByte(1 << 1, 0x4d1)
            expect(false, &code)
            code.store(0, at: bell(Self.first))
            expect(true, &code)
            code.store(0, at: bell(Self.second))
            code.store(0, at: bell(Self.first) + 4)
            expect(true, &code)
            code.store(0, at: bell(Self.second) + 4)
            expect(false, &code)
            code.store(0, at: bell(Self.first))
            code.writeConfiguration(0x402, Self.first, at: 4)
            expect(false, &code)
            code.writeConfiguration(2, Self.first, at: 4)
            expect(true, &code)
            code.store(0, at: bell(Self.first) + 4)
            expect(false, &code)
            code.store(0, at: bell(Self.behind))
            expect(false, &code)
            expect(true, &code, line: 9)
            code.store(0, at: bell(Self.behind) + 4)
            expect(false, &code, line: 9)
            code.exit(0)
        }
        let machine = try Self.machine(code)
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        let (up, behind) = (machine.results(Int(count)), machine.register(0x3c, of: Self.behind))
        #expect(zip(up, expected).allSatisfy { ($0 & $1.bit != 0) == $1.isUp }, "\(up)")
        #expect(machine.register(0x3c, of: Self.first) == 0x105 && behind == 0x309)
    }
}
