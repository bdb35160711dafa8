internal import Host
internal import KVM

/// Writes a line for each exit: microseconds since the first run, vCPU, what it was.
struct Tracer: Sendable {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    private static let bufferSize = 1 << 16

    init(descriptor: Int32) {
        self.descriptor = descriptor
        buffer.reserveCapacity(Self.bufferSize)
    }

    mutating func record(_ exit: Exit, of cpu: borrowing VirtualCPU, at time: Duration) {
        var line = "\(time.nanoseconds / 1000) vcpu\(cpu.id) \(exit)"
        // A write's data are still there, and a read's have just been answered.
        if case .port(let access) = exit {
            line += (access.isOutput ? " <- " : " -> ") + "0x" + String(cpu.portUnit(at: 0), radix: 16)
        }
        buffer += Array((line + "\n").utf8)
        if buffer.count >= Self.bufferSize {
            flush()
        }
    }

    mutating func flush() {
        FileBytes.write(buffer, to: descriptor)
        buffer.removeAll(keepingCapacity: true)
    }
}
