import Devices
import Floor
import FoundationEssentials
import Host
import Images
import Machine
import Memslots
import PCI
import VFIOUser

extension Bench {
    /// Compares a guest that reads a device in another process, by messages and by a mapping, with a client of the same server
    /// in plain C.
    mutating func device() throws {
        results.begin(name, "reads of a served function; C: a client of the same server, KVM_RUN and a switch")
        try read("trapped", size: 256, reads: 2000, target: 1.15)
        try read("mapped", size: 4096, reads: 100_000, target: nil)
        try interrupts(1000)
    }

    /// A server with one function, whose BAR 0 has a given size, and its clients.
    private struct Served {
        static let address = FunctionAddress(requesterID: 5 << 3)
        let path = FileManager.default.temporaryDirectory.appending(path: "swiftlet-bench-\(UUID().uuidString)").path
        let server: DeviceServer
        /// The address of the BAR in the guest, which does not change.
        private(set) var bar = 0

        init(size: UInt64, doorbell: BARLocation? = nil) throws {
            let description = FunctionDescription(
                vendorID: 0x1af4, deviceID: 1, bars: [0: BARDescription(kind: .memory32, size: size)],
                msiVectors: doorbell == nil ? nil : 2, doorbell: doorbell)
            let function = try PCIFunction(description, at: Self.address)
            server = try DeviceServer(ServedFunction(function, DeviceRecord(description)), at: path)
            // The server takes one client at a time. This one goes at the end of `init`.
            let machine = try GuestMachine(configuration().0, flat: [0xf4])
            bar = Int(machine.readConfiguration(of: Self.address, at: 0x10, width: .doubleword) & ~15)
        }

        func configuration(
            interrupts: InterruptController = .none
        ) throws -> (MachineConfiguration, DeviceProcess) {
            let device = try DeviceProcess(path: path)
            var configuration = MachineConfiguration(mode: .protected, interruptController: interrupts)
            try configuration.add(device, at: Self.address)
            return (configuration, device)
        }
    }

    /// Measures interrupts from the server to the guest, by MSI through an eventfd. The guest writes to the device for each of
    /// them.
    private mutating func interrupts(_ count: Int) throws {
        let served = try Served(size: 256, doorbell: BARLocation(bar: 0, offset: 0))
        defer { served.server.stop() }
        let guest = TinyGuest.interrupts(count, at: served.bar, vector: 0x41)
        try compare(
            [Phase(name: "write and interrupt", operations: count, target: nil)], rounds: rounds(15),
            baseline: {
                let machine = FloorMachine(code: guest, mode: FLOOR_INTERRUPTS)
                let device = FloorMachine.connect(to: served.path)
                let event = machine.interrupt(by: device, data: 0x41)
                defer {
                    floor_device_close(device)
                    floor_device_close(event)
                }
                return [elapsed { precondition(machine.run(with: device) == UInt64(count + 1)) }.wallOnly]
            },
            swiftlet: {
                let (configuration, device) = try served.configuration(interrupts: .kernel)
                let machine = try GuestMachine(configuration, flat: guest)
                defer { withExtendedLifetime(device) {} }
                try machine.enableMSI(of: Served.address, data: 0x40)
                return [
                    try elapsed {
                        let report = try machine.run()
                        precondition(report.exits.mmio == count, "\(report.ending())")
                    }.wallOnly
                ]
            })
    }

    /// Measures reads of a BAR that is too small to be mapped, or of one that has a page.
    private mutating func read(_ what: String, size: UInt64, reads: Int, target: Double?) throws {
        let served = try Served(size: size)
        defer { served.server.stop() }
        let (path, bar) = (served.path, served.bar)
        let guest = TinyGuest.memoryReads(reads, at: bar)
        let isTrapped = size < Page.size
        try compare(
            [Phase(name: "\(what) read", operations: reads, target: target)], rounds: rounds(15),
            baseline: {
                let machine = FloorMachine(code: guest, spareMemory: size, mode: FLOOR_PROTECTED)
                guard isTrapped else {
                    machine.set([floor_slot(id: 1, flags: 0, guest: UInt64(bar), size: size, offset: 0)])
                    return [elapsed { precondition(machine.run() == 1) }.wallOnly]
                }
                let device = FloorMachine.connect(to: path)
                defer { floor_device_close(device) }
                return [elapsed { precondition(machine.run(with: device) == UInt64(reads + 1)) }.wallOnly]
            },
            swiftlet: {
                let (configuration, device) = try served.configuration()
                let machine = try GuestMachine(configuration, flat: guest)
                defer { withExtendedLifetime(device) {} }
                return [
                    try elapsed {
                        let report = try machine.run()
                        precondition(report.exits.mmio == (isTrapped ? reads : 0), "\(report.ending())")
                    }.wallOnly
                ]
            })
    }
}

extension GuestMachine {
    /// Enables two MSI vectors of a function, as a driver does. They interrupt the first vCPU with `data` and with the next
    /// number.
    fileprivate func enableMSI(of address: FunctionAddress, data: UInt64) throws {
        var offset = readConfiguration(of: address, at: 0x34, width: .byte)
        while readConfiguration(of: address, at: offset, width: .byte) != 5 {
            offset = readConfiguration(of: address, at: offset + 1, width: .byte)
        }
        let control = readConfiguration(of: address, at: offset + 2, width: .word)
        try writeConfiguration(0xfee0_0000, of: address, at: offset + 4, width: .doubleword)
        try writeConfiguration(data, of: address, at: offset + (control & 0x80 == 0 ? 8 : 12), width: .word)
        try writeConfiguration(control | 0x11, of: address, at: offset + 2, width: .word)
        try writeConfiguration(6, of: address, at: 4, width: .word)
    }
}
