/// Memory or ports that keep what the guest writes. Each access exits to the monitor, so guests can test accesses with them.
public struct ScratchMemory: Device {
    /// The number of bytes or ports.
    public let size: UInt64
    /// Whether a byte written to the first address or port announces a phase of the guest's work.
    private let marksPhases: Bool
    private var bytes: [UInt8]

    /// Creates scratch memory of zeros.
    public init(size: UInt64, marksPhases: Bool = false) {
        self.size = size
        self.marksPhases = marksPhases
        bytes = [UInt8](repeating: 0, count: Int(size))
    }

    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        guard let range = range(offset, width) else { return DeviceReply(width.allOnes) }
        return DeviceReply(bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }

    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        guard let range = range(offset, width) else { return .none }
        for (lane, index) in range.enumerated() {
            bytes[index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(lane)))
        }
        return marksPhases && offset == 0 && width == .byte ? DeviceEffects(phase: bytes[0]) : .none
    }

    private func range(_ offset: UInt64, _ width: AccessWidth) -> Range<Int>? {
        guard offset < size, UInt64(width.rawValue) <= size - offset else { return nil }
        return Int(offset)..<Int(offset) + width.rawValue
    }
}
