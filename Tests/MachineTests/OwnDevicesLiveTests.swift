import Board
import Devices
import LiveSupport
import PCI
import Testing

@testable import Machine

@Suite("Devices of one's own", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct OwnDevicesLiveTests {
    private static let address = FunctionAddress(device: 1)

    /// An I/O BAR whose ports read as 0x77.
    private struct PortFunction: FunctionModel {
        let description = FunctionDescription(
            vendorID: 0x1af4, deviceID: 0x10f5, bars: [0: BARDescription(kind: .io, size: 16)])

        func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 { 0x77 }
    }

    private func device(_ number: UInt64, at first: UInt64, size: UInt64 = 16) -> AttachedDevice {
        AttachedDevice(CountingDevice(number: number, expected: 0), at: first, size: size)
    }

    @Test("answer the guest at their ports and addresses, and nowhere else")
    func answer() throws {
        let code = GuestCode { code in
            code.inByte(0x700)
            code.keep(0)
            code.load(0xd000_0004)
            code.keep(1)
            code.load(0xd000_0010)
            code.keep(2)
            code.exit(0)
        }
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration())
        guest.configuration.portDevices = [device(0x21, at: 0x700)]
        guest.configuration.memoryDevices = [device(0x1234_5678, at: 0xd000_0000)]
        let machine = try guest.machine()
        let report = try machine.run(timeout: .seconds(60))
        #expect(report.outcome == .exited(0))
        let results = machine.results(3)
        #expect(results[0] & 0xff == 0x21)
        #expect(Array(results.dropFirst()) == [0x1234_5678, .max])
        #expect(report.unclaimedAccesses == 1)
    }

    @Test("come before those that reset the machine")
    func beforeResets() throws {
        let code = GuestCode { code in
            code.inByte(0x64)
            code.keep(0)
            code.outByte(0xfe, 0x64)
            code.exit(0)
        }
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration())
        guest.configuration.portDevices = [device(0x21, at: 0x60)]
        let machine = try guest.machine()
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        #expect(machine.results(1)[0] & 0xff == 0x21)
    }

    @Test(
        "over a device of the board, or over configuration space, are refused with both ranges",
        arguments: [
            (true, BoardPorts.serial + 2, "0x3fa-0x409", "0x3f8-0x3ff"), (true, 0xcf0, "0xcf0-0xcff", "0xcf8-0xcff"),
            (false, AddressMap.scratchMemory, "0xff000000-0xff00000f", "0xff000000-0xff00ffff"),
            (false, 0xc000_0000, "0xc0000000-0xc000000f", "0xc0000000-0xcfffffff"),
        ])
    func overBoard(isPort: Bool, first: UInt64, range: String, taken: String) throws {
        var guest = TinyGuest(code: TinyGuest.exit(0), configuration: GuestCode.configuration())
        guest.configuration.functions = [Self.address: PortFunction()]
        if isPort {
            guest.configuration.portDevices = [device(1, at: first)]
        } else {
            guest.configuration.memoryDevices = [device(1, at: first)]
        }
        let error = #expect(throws: MachineError.self) { _ = try guest.machine() }
        guard case .bus(.overlaps) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        let text = "\(try #require(error))"
        #expect(text.contains(range) && text.contains(taken), "\(text)")
    }

    @Test("lose to an I/O BAR that lies over them, while it is decoded")
    func underBAR() throws {
        let code = GuestCode { code in
            code.inByte(0xc002)
            code.keep(0)
            code.writeConfiguration(0, Self.address, at: 4)
            code.inByte(0xc002)
            code.keep(1)
            code.exit(0)
        }
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration())
        guest.configuration.functions = [Self.address: PortFunction()]
        guest.configuration.portDevices = [device(0x21, at: 0xc000)]
        let machine = try guest.machine()
        try #require(machine.register(0x10, of: Self.address) == 0xc001)
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        #expect(machine.results(2).map { $0 & 0xff } == [0x77, 0x21])
    }

    @Test("below the ports of BARs win over a BAR")
    func belowBARs() throws {
        let code = GuestCode { code in
            code.writeConfiguration(0x700, Self.address, at: 0x10)
            code.inByte(0x702)
            code.keep(0)
            code.inByte(0x708)
            code.keep(1)
            code.exit(0)
        }
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration())
        guest.configuration.functions = [Self.address: PortFunction()]
        guest.configuration.portDevices = [device(0x21, at: 0x700, size: 4)]
        let machine = try guest.machine()
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        #expect(machine.results(2).map { $0 & 0xff } == [0x21, 0xff])
    }
}
