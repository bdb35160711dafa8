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
    /// A guest that reads a device in another process, by messages and by a mapping, against a client in plain C of the same server.
    mutating func device() throws {
        results.begin(name, "reads of a served function; C: a client of the same server, KVM_RUN and a switch")
        try read("trapped", size: 256, reads: 2000, target: 1.15)
        try read("mapped", size: 4096, reads: 100_000, target: nil)
    }

    /// Reads of a BAR, which is too small to be mapped, or a page.
    private mutating func read(_ what: String, size: UInt64, reads: Int, target: Double?) throws {
        let description = FunctionDescription(
            vendorID: 0x1af4, deviceID: 1, bars: [0: BARDescription(kind: .memory32, size: size)])
        let address = FunctionAddress(requesterID: 5 << 3)
        let path = FileManager.default.temporaryDirectory.appending(path: "swiftlet-bench-\(UUID().uuidString)").path
        let record = try DeviceRecord(description)
        let server = try DeviceServer(ServedFunction(PCIFunction(description, at: address), record), at: path)
        defer { server.stop() }

        func configuration() throws -> (MachineConfiguration, DeviceProcess) {
            let device = try DeviceProcess(path: path)
            var configuration = MachineConfiguration(mode: .protected)
            try configuration.add(device, at: address)
            return (configuration, device)
        }
        /// Where the BAR lies, which does not change. The server takes one client at a time, so this one goes.
        func placeOfBAR() throws -> Int {
            let machine = try GuestMachine(configuration().0, flat: [0xf4])
            return Int(machine.readConfiguration(of: address, at: 0x10, width: .doubleword) & ~15)
        }
        let bar = try placeOfBAR()
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
                let (configuration, device) = try configuration()
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
