public import Devices

/// A function's configuration space: registers beside masks of the bits that software may write (PCI 3.0, 6.1).
///
/// The 256 bytes of PCI are stored. The rest of the 4 KiB of PCI Express reads as zeros, which says that there are no
/// extended capabilities (PCIe, 7.9.1).
public struct ConfigSpace: Sendable {
    /// Bytes that a function has by ECAM.
    public static let size: UInt64 = 4096
    static let storedRegisters = 64

    private var registers = [UInt32](repeating: 0, count: storedRegisters)
    private var writable = [UInt32](repeating: 0, count: storedRegisters)

    /// Reads `width` bytes; all ones where the access is not naturally aligned, wider than a register, or outside.
    public func read(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard Self.accepts(offset, width) else { return width.allOnes }
        return width.mask(UInt64(self[register: offset] >> Self.shift(offset)))
    }

    /// Writes those of the low `width` bytes of `value` that are writable; dropped where a read would give all ones.
    mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) {
        guard Self.accepts(offset, width), offset < 256 else { return }
        let index = Int(offset / 4)
        let shift = Self.shift(offset)
        let mask = writable[index] & UInt32(truncatingIfNeeded: width.allOnes) << shift
        registers[index] = registers[index] & ~mask | UInt32(truncatingIfNeeded: value) << shift & mask
    }

    /// The whole register that holds the byte at `offset`.
    subscript(register offset: UInt64) -> UInt32 {
        offset < 256 ? registers[Int(offset / 4)] : 0
    }

    /// Sets bits whether software may write them or not.
    mutating func set(_ value: UInt32, at offset: UInt64) {
        registers[Int(offset / 4)] = value
    }

    /// Gives a register its first value and its writable bits.
    mutating func define(_ value: UInt32, writable mask: UInt32 = 0, at offset: UInt64) {
        registers[Int(offset / 4)] = value
        writable[Int(offset / 4)] = mask
    }

    private static func accepts(_ offset: UInt64, _ width: AccessWidth) -> Bool {
        width != .quadword && offset < size && offset.isMultiple(of: UInt64(width.rawValue))
    }

    private static func shift(_ offset: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: offset & 3) * 8
    }
}
