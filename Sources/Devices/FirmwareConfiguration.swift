/// The part of QEMU's firmware configuration device (fw_cfg, by its two ports) that test kernels ask: how much RAM and how
/// many processors there are.
///
/// A word to the first port selects an item, and each byte read from the second is its next one; 0 behind its end, and where
/// there is no such item.
public struct FirmwareConfiguration: Device {
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

    private let ramSize: UInt64
    private let processors: UInt16
    private var selected: [UInt8]
    private var position = 0

    /// `ramSize` is in bytes.
    public init(ramSize: UInt64, processors: Int) {
        self.ramSize = ramSize
        self.processors = UInt16(clamping: processors)
        selected = Self.signature
    }

    public mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        guard offset == 1, width == .byte else { return DeviceReply(width.allOnes) }
        guard position < selected.count else { return DeviceReply(0) }
        position += 1
        return DeviceReply(UInt64(selected[position - 1]))
    }

    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        if offset == 0, width == .word {
            selected = item(UInt16(truncatingIfNeeded: value))
            position = 0
        }
        return .none
    }

    private static let signature = Array("QEMU".utf8)

    private func item(_ key: UInt16) -> [UInt8] {
        switch key {
        case Key.signature: Self.signature
        // Bit 0: the ports; bit 1 would be access by DMA.
        case Key.id: Self.littleEndian(UInt32(1))
        case Key.ramSize: Self.littleEndian(ramSize)
        case Key.processors, Key.maximumProcessors: Self.littleEndian(processors)
        // The number of files that follow, most significant byte first.
        case Key.fileDirectory: [0, 0, 0, 0]
        default: []
        }
    }

    private static func littleEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        (0..<MemoryLayout<Value>.size).map { UInt8(truncatingIfNeeded: value >> (8 * Value($0))) }
    }
}
