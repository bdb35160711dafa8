/// The meaning of what a guest writes to an exit port.
public enum ExitStatusRule: Hashable, Sendable {
    /// The value is the status.
    case value
    /// The status is twice the value and one, as the `isa-debug-exit` device of QEMU has it.
    case twiceAndOne
}

/// Ends the run: the guest writes its status here.
public struct ExitPort: Device {
    /// Ports that it takes, so that a doubleword write finds it too.
    public static let size: UInt64 = 4

    private let rule: ExitStatusRule

    /// Creates a port. Unless told otherwise, what is written there is the status.
    public init(_ rule: ExitStatusRule = .value) {
        self.rule = rule
    }

    /// Ends the run with a status that follows from the low 32 bits of `value`; the ports above the first take nothing.
    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        guard offset == 0 else { return .none }
        let code = UInt32(truncatingIfNeeded: width.mask(value))
        return DeviceEffects(exitStatus: rule == .value ? code : code << 1 | 1)
    }
}
