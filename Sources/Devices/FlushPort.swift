/// The port to which a guest writes the address of a page whose translations are to be dropped. There is nothing to do: KVM keeps
/// its translations up to date, because the monitor never takes guest memory away without telling KVM.
public struct FlushPort: Device {
    /// The number of ports.
    public static let size: UInt64 = 4

    /// Creates the port.
    public init() {}

    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        .none
    }
}
