/// Takes the address of a page whose translations are to be dropped. KVM keeps its own true to the guest's memory, which the
/// monitor never takes away under it, so there is nothing to do.
public struct FlushPort: Device {
    /// Ports that it takes.
    public static let size: UInt64 = 4

    public init() {}

    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        .none
    }
}
