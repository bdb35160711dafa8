import Glibc
import SwiftletKit

/// A device at two I/O ports: a write to the first port chooses a sensor, and a read of the second gives the sensor's
/// temperature.
struct Thermometer: Device {
    static let ports: UInt64 = 0x300
    let temperatures: [UInt8]
    var chosen = 0

    mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        guard offset == 1, temperatures.indices.contains(chosen) else { return DeviceReply(width.allOnes) }
        return DeviceReply(UInt64(temperatures[chosen]))
    }

    mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        if offset == 0 { chosen = Int(value) }
        return .none
    }
}

@main struct Example {
    /// Runs a guest that reads sensor 1, and ends with its temperature as the exit status.
    static func main() throws {
        // mov dx, 0x300; mov al, 1; out dx, al; inc dx; in al, dx; out 0xf4, al
        let guest = try GuestImage([0xba, 0x00, 0x03, 0xb0, 1, 0xee, 0x42, 0xec, 0xe6, 0xf4])
        var configuration = MachineConfiguration(mode: .real)
        configuration.portDevices = [
            AttachedDevice(Thermometer(temperatures: [21, 37]), at: Thermometer.ports, size: 2)
        ]
        let machine = try GuestMachine(guest, configuration)
        let report = try machine.run(timeout: .seconds(10))
        print("\(report.outcome), after \(report.exits.pio) accesses to ports")
        exit(report.outcome == .exited(37) ? 0 : 1)
    }
}
