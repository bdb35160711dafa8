internal import Host
internal import Machine

/// The kernel memory that slots take, in bytes.
public struct KernelBytes: Codable, Sendable {
    /// The prediction for the MMU that this host's KVM uses.
    public let predicted: UInt64
    /// The growth of VmallocUsed, to which the rest of the host contributes.
    public let measured: UInt64

    init(predicted: UInt64, since before: UInt64) throws(MachineError) {
        let now = try Self.used()
        self.predicted = predicted
        measured = now - min(before, now)
    }

    /// The memory that the kernel has taken for vmalloc on the whole host.
    static func used() throws(MachineError) -> UInt64 {
        try host(try KernelFigures.ofHost()).bytes("VmallocUsed") ?? 0
    }
}
