/// The exit status that follows from the value that a guest writes to an exit port.
public enum ExitStatusRule: Hashable, Sendable {
    /// The status is the value.
    case value
    /// The status is twice the value, plus one, like that of QEMU's device `isa-debug-exit`.
    case twiceAndOne
}

/// A port through which the guest ends the run with a status.
public struct ExitPort: Device {
    /// The number of ports. It is 4, so that the device also gets a doubleword write.
    public static let size: UInt64 = 4

    private let rule: ExitStatusRule

    /// Creates an exit port. By default the written value is the status.
    public init(_ rule: ExitStatusRule = .value) {
        self.rule = rule
    }

    /// Ends the run with the status that follows from the low 32 bits of `value`. The ports above the first one ignore writes.
    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        guard offset == 0 else { return .none }
        let code = UInt32(truncatingIfNeeded: width.mask(value))
        return DeviceEffects(exitStatus: rule == .value ? code : code << 1 | 1)
    }
}
