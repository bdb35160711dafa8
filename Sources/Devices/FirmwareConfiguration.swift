/// QEMU's firmware configuration device (fw_cfg), with its two ports and those of its items that test kernels ask for: the RAM and
/// the number of processors.
///
/// A word written to the first port selects an item. Each byte read from the second port is the next byte of the item. Behind the
/// end of an item, and if there is no such item, the byte is 0.
public struct FirmwareConfiguration: Device {
    /// The number of ports: the selector and the data port.
    public static let size: UInt64 = 2

    /// The bytes of the items, by the items' numbers.
    private let items: [UInt16: [UInt8]]
    private var selected: [UInt8]
    private var position = 0

    /// Creates the device. `ramSize` is in bytes.
    public init(ramSize: UInt64, processors: Int) {
        let signature = Array("QEMU".utf8)
        let processors = Self.littleEndian(UInt16(clamping: processors))
        items = [
            0x00: signature,
            // The features. Bit 0 stands for access by ports. Bit 1 would stand for access by DMA.
            0x01: Self.littleEndian(UInt32(1)),
            0x03: Self.littleEndian(ramSize),
            // The number of processors that exist, and the most that can exist.
            0x05: processors,
            0x0f: processors,
            // The directory of files. It begins with the number of files, most significant byte first.
            0x19: [0, 0, 0, 0],
        ]
        selected = signature
    }

    public mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        guard offset == 1, width == .byte else { return DeviceReply(width.allOnes) }
        guard position < selected.count else { return DeviceReply(0) }
        position += 1
        return DeviceReply(UInt64(selected[position - 1]))
    }

    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        if offset == 0, width == .word {
            selected = items[UInt16(truncatingIfNeeded: value)] ?? []
            position = 0
        }
        return .none
    }

    private static func littleEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        (0..<MemoryLayout<Value>.size).map { UInt8(truncatingIfNeeded: value >> (8 * Value($0))) }
    }
}
