/// The part of QEMU's firmware configuration device (fw_cfg, by its two ports) that test kernels ask: how much RAM and how
/// many processors there are.
///
/// A word to the first port selects an item, and each byte read from the second is its next one; 0 behind its end, and where
/// there is no such item.
public final class FirmwareConfiguration: Device {
    /// Ports that it takes: selector and data.
    public static let size: UInt64 = 2

    /// The numbers of the items that there are.
    enum Key {
        static let signature: UInt16 = 0x00
        static let id: UInt16 = 0x01
        static let ramSize: UInt16 = 0x03
        static let processors: UInt16 = 0x05
        static let maximumProcessors: UInt16 = 0x0f
        static let fileDirectory: UInt16 = 0x19
    }

    private let items: [UInt16: [UInt8]]
    private var selected: [UInt8] = []
    private var position = 0

    /// `ramSize` is in bytes.
    public init(ramSize: UInt64, processors: Int) {
        let count = Self.littleEndian(UInt16(clamping: processors))
        items = [
            Key.signature: Array("QEMU".utf8),
            // Bit 0: the ports; bit 1 would be access by DMA.
            Key.id: Self.littleEndian(UInt32(1)),
            Key.ramSize: Self.littleEndian(ramSize),
            Key.processors: count,
            Key.maximumProcessors: count,
            // The number of files that follow, most significant byte first.
            Key.fileDirectory: [0, 0, 0, 0],
        ]
        selected = items[Key.signature] ?? []
    }

    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        guard offset == 1, width == .byte else { return DeviceReply(width.allOnes) }
        guard position < selected.count else { return DeviceReply(0) }
        position += 1
        return DeviceReply(UInt64(selected[position - 1]))
    }

    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
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
