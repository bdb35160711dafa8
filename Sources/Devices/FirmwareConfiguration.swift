/// The part of QEMU's firmware configuration device (fw_cfg, by its two ports) that test kernels ask: how much RAM and how
/// many processors there are.
///
/// A word to the first port selects an item, and each byte read from the second is its next one; 0 behind its end, and where
/// there is no such item.
public struct FirmwareConfiguration: Device {
    /// Ports that it takes: selector and data.
    public static let size: UInt64 = 2

    /// The items by their numbers.
    private let items: [UInt16: [UInt8]]
    private var selected: [UInt8]
    private var position = 0

    /// `ramSize` is in bytes.
    public init(ramSize: UInt64, processors: Int) {
        let signature = Array("QEMU".utf8)
        let processors = Self.littleEndian(UInt16(clamping: processors))
        items = [
            0x00: signature,
            // The features. Bit 0: the ports; bit 1 would be access by DMA.
            0x01: Self.littleEndian(UInt32(1)),
            0x03: Self.littleEndian(ramSize),
            // The processors that there are, and the most that there can be.
            0x05: processors,
            0x0f: processors,
            // The directory of files: their number, most significant byte first.
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
