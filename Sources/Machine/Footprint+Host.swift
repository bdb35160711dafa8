internal import Host
public import Memslots

extension Footprint.MMU {
    /// The way in which this host's KVM translates guest addresses. It is two-dimensional paging if KVM's module for the
    /// processor says so, otherwise shadow page tables.
    public static var ofHost: Footprint.MMU {
        let isTwoDimensional = KernelFigures.translationParameters.contains { path in
            let value = (try? readFile(path, limit: 16))?.first
            return value == UInt8(ascii: "Y") || value == UInt8(ascii: "1")
        }
        return isTwoDimensional ? .tdp : .shadow
    }
}

extension Footprint {
    /// Throws if the kernel would need more than half of the memory that the host, or this process's control group, has available.
    ///
    /// - Parameter kernelBytes: Returns the kernel's need in bytes for a way of translation.
    public static func checkHostMemory(for kernelBytes: (MMU) -> UInt64) throws(MachineError) {
        // Asking the host means reading files. Small machines fit even with shadow page tables, which cost more, so they need not ask.
        guard kernelBytes(.shadow) > 64 << 20 else { return }
        let needed = kernelBytes(.ofHost)
        let ofHost = try host(try KernelFigures.ofHost()).bytes("MemAvailable") ?? 0
        // The kernel's memory for slots is charged to the control group.
        let available = min(ofHost, KernelLimits.controlGroup()?.left ?? .max)
        guard needed <= available / 2 else {
            throw .hostMemory(needed: needed, available: available)
        }
    }
}
