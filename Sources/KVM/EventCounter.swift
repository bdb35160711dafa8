internal import CKVM

/// An eventfd: it counts what KVM signals, and wakes nobody.
public struct EventCounter: ~Copyable, Sendable {
    let descriptor: Descriptor

    public init() throws(KVMError) {
        descriptor = try Descriptor(owning: ckvm_eventfd(), "eventfd")
    }

    /// How often it was signalled since the last call.
    public borrowing func take() -> UInt64 {
        ckvm_take_events(descriptor.number)
    }
}
