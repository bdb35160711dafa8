/// Configuration space, byte by byte.
public struct ConfigBytes: Sendable {
    public var bytes: [UInt8]

    /// A header with a vendor, a device and a class of 24 bits.
    public init(count: Int = 256, device: UInt16 = 0x1041, classCode: UInt32 = 0x020000, headerType: UInt8 = 0) {
        bytes = [UInt8](repeating: 0, count: count)
        set(0, 0x1af4 | UInt32(device) << 16)
        set(8, classCode << 8 | 3)
        bytes[0x0e] = headerType
    }

    public mutating func set(_ offset: Int, _ value: UInt32) {
        for byte in 0..<4 {
            bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt32(8 * byte))
        }
    }

    /// As `lspci -xxx` prints it.
    public var text: String {
        stride(from: 0, to: bytes.count, by: 16).map { row in
            let cells = bytes[row..<row + 16].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            let offset = String(row, radix: 16)
            return (offset.count < 2 ? "0" : "") + offset + ": " + cells.joined(separator: " ") + "\n"
        }.joined()
    }

    /// A network card with a BAR of 64 bits, one of 32 bits, ports, a ROM, MSI, MSI-X in BAR 2 and seven virtual functions.
    public static let network: ConfigBytes = {
        var config = ConfigBytes(count: 4096)
        config.set(0x04, 1 << 20)
        config.set(0x10, 0xf000_000c)
        config.set(0x14, 0x50)
        config.set(0x18, 0xfe00_0000)
        config.set(0x1c, 0xc001)
        config.set(0x30, 0xfd00_0001)
        config.set(0x34, 0x40)
        config.set(0x40, 0x0006_5005)  // MSI, 8 vectors, then 0x50
        config.set(0x50, 0x0009_0011)  // MSI-X, 10 vectors
        config.set(0x54, 0x0000_2002)
        config.set(0x58, 0x0000_3002)
        config.set(0x100, 0x1401_0001)  // something else, then 0x140
        config.set(0x140, 0x0001_0010)  // SR-IOV
        config.set(0x14c, 0x0007_0007)
        config.set(0x154, 0x0001_0080)
        config.set(0x158, 0x1889_0000)
        return config
    }()

    /// Its file `resource`.
    public static let networkResource = """
        0x0000005000000000 0x00000050000fffff 0x000000000014220c
        0x0000000000000000 0x0000000000000000 0x0000000000000000
        0x00000000fe000000 0x00000000fe00ffff 0x0000000000040200
        0x000000000000c000 0x000000000000c01f 0x0000000000040101
        0x0000000000000000 0x0000000000000000 0x0000000000000000
        0x0000000000000000 0x0000000000000000 0x0000000000000000
        0x00000000fd000000 0x00000000fd07ffff 0x000000000004e200
        0x0000005100000000 0x00000051000dffff 0x000000000014220c

        """
}
