internal import CKVM

/// An eventfd that counts the signals it gets from KVM. No thread waits for these signals.
public struct EventCounter: ~Copyable, Sendable {
    let descriptor: Descriptor

    /// Creates a counter of zero.
    public init() throws(KVMError) {
        descriptor = try Descriptor(owning: ckvm_eventfd(), "eventfd")
    }

    /// Returns how often the eventfd was signalled since the last call.
    public borrowing func take() -> UInt64 {
        ckvm_take_events(descriptor.number)
    }
}
