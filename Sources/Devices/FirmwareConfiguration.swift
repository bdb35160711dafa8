internal import Memslots

/// QEMU's firmware configuration device (fw_cfg) with its two ports. It has only the items that test kernels ask for, such as the
/// size of the RAM and the number of processors.
///
/// A word written to the first port selects an item. Each byte read from the second port is the next byte of the item. Behind the
/// end of an item, and if there is no such item, the byte is 0.
public struct FirmwareConfiguration: Device {
    /// The number of ports: the selector and the data port.
    public static let size: UInt64 = 2

    private static let signature = Array("QEMU".utf8)

    private let ramSize: UInt64
    private let processors: UInt16
    /// The bytes of the item that is selected.
    private var selected = signature
    private var position = 0

    /// Creates the device. `ramSize` is in bytes.
    public init(ramSize: UInt64, processors: Int) {
        self.ramSize = ramSize
        self.processors = UInt16(clamping: processors)
    }

    /// Returns the bytes of an item, or none if there is no such item.
    private func item(_ number: UInt16) -> [UInt8] {
        switch number {
        case 0x00: Self.signature
        // The features. Bit 0 stands for access by ports. Bit 1 would stand for access by DMA.
        case 0x01: littleEndian(UInt32(1))
        case 0x03: littleEndian(ramSize)
        // The number of processors that exist, and the most that can exist.
        case 0x05, 0x0f: littleEndian(processors)
        // The directory of files. It begins with the number of files, most significant byte first.
        case 0x19: [0, 0, 0, 0]
        default: []
        }
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
}
