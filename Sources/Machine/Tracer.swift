internal import Devices
internal import Host
internal import KVM

/// Makes a line of each exit: microseconds since the first run, vCPU, what it was.
///
/// It is asked under the machine lock, and whoever takes the lines writes them without: a reader of the trace that is slow
/// must not hold up the machine.
struct Tracer: Sendable {
    let descriptor: Int32
    private var lines: [UInt8] = []

    private static let enough = 1 << 16

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    mutating func record(_ exit: Exit, of cpu: borrowing VirtualCPU, at time: Duration) {
        var line = "\(time.nanoseconds / 1000) vcpu\(cpu.id) \(exit)"
        // A write's data are still there, and a read's have just been answered.
        if case .port(let access) = exit {
            line += (access.isOutput ? " <- " : " -> ") + "0x" + String(cpu.portUnit(at: 0), radix: 16)
        }
        lines += Array((line + "\n").utf8)
    }

    /// Names accesses to ports or memory that no device answered.
    mutating func record(unclaimed accesses: [UnclaimedAccess], _ what: String, of cpu: UInt32, at time: Duration) {
        for access in accesses {
            let bytes = access.width.rawValue
            let line =
                "\(time.nanoseconds / 1000) vcpu\(cpu) unclaimed \(what) 0x\(String(access.address, radix: 16)), "
                + "\(access.isWrite ? "write" : "read") of \(bytes) byte\(bytes == 1 ? "" : "s")\n"
            lines += Array(line.utf8)
        }
    }

    /// The lines so far, once they are worth a write.
    mutating func takeIfEnough() -> [UInt8] {
        lines.count >= Self.enough ? take() : []
    }

    mutating func take() -> [UInt8] {
        defer { lines = [] }
        return lines
    }
}
