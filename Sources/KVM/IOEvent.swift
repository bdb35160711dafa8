internal import CKVM

/// Guest writes that KVM takes itself (`KVM_IOEVENTFD`): they signal an `EventCounter`, and the vCPU goes on.
public struct IOEvent: Hashable, Sendable {
    /// A port, or a guest-physical address.
    public var address: UInt64
    public var isPort: Bool
    /// Bytes of a write: 1, 2, 4 or 8; others exit as ever.
    public var size: UInt32
    /// The only value that is taken, or nil for any.
    public var match: UInt64?

    public init(address: UInt64, isPort: Bool, size: UInt32, match: UInt64?) {
        self.address = address
        self.isPort = isPort
        self.size = size
        self.match = match
    }
}

extension VirtualMachine {
    /// Lets KVM take such writes and signal `counter`.
    ///
    /// KVM refuses an event that it has already (EEXIST), and more than 1000 of ports or of memory (ENOSPC).
    public func add(_ event: IOEvent, signalling counter: borrowing EventCounter) throws(KVMError) {
        try set(event, counter, isAssigned: true)
    }

    /// Lets such writes exit again; `counter` keeps what it has counted.
    public func remove(_ event: IOEvent, signalling counter: borrowing EventCounter) throws(KVMError) {
        try set(event, counter, isAssigned: false)
    }

    private func set(
        _ event: IOEvent, _ counter: borrowing EventCounter, isAssigned: Bool
    ) throws(KVMError) {
        let request = ckvm_ioevent(
            address: event.address, match: event.match ?? 0, size: event.size, is_port: event.isPort,
            has_match: event.match != nil)
        _ = try check(
            ckvm_set_ioeventfd(descriptor.number, counter.descriptor.number, request, isAssigned), "KVM_IOEVENTFD",
            "\(event.size) bytes at \(event.isPort ? "port " : "")0x\(String(event.address, radix: 16))")
    }
}
