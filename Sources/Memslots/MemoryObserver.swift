/// Something that mirrors guest memory beside KVM's slots: an IOMMU, or a device process that is given the guest's RAM.
///
/// Observers take part in each transaction, while no vCPU runs. An observer hears of mappings that go before KVM's slots change,
/// and of mappings that come after they have changed. If an observer refuses, the whole change is refused and undone. An observer
/// that cannot take back what it has done is lost: it hears of nothing more, and the function that owns it ends.
///
/// The machine lock is held meanwhile. So an observer must bound the time that it takes, and calls no method of the machine.
public protocol MemoryObserver: AnyObject, Sendable {
    /// Returns whether the observer mirrors a mapping. The answer for a mapping must stay the same.
    func mirrors(_ mapping: Mapping) -> Bool

    /// Mirrors a mapping.
    func add(_ mapping: Mapping) throws(SlotErrno)

    /// Ends the mirroring of a mapping that was added.
    func remove(_ mapping: Mapping) throws(SlotErrno)
}

/// The number of an observer in its address space. Numbers are not used again.
public struct ObserverID: Hashable, Sendable {
    let number: Int
}

/// Guest writes that KVM takes itself (`KVM_IOEVENTFD`): KVM counts them in an eventfd, and the vCPU goes on.
public struct IOEvent: Hashable, Sendable {
    /// The port or the guest-physical address.
    public var address: UInt64
    /// Whether `address` is a port.
    public var isPort: Bool
    /// The bytes of a write: 1, 2, 4 or 8. Writes of another width exit.
    public var size: UInt32
    /// The only value that KVM takes, or nil for any.
    public var match: UInt64?
    /// The number of the eventfd that KVM signals, among those that the machine was given, or nil for one of the machine's own.
    public var descriptor: Int?

    /// Creates an event for writes of any value, unless `match` is given.
    public init(address: UInt64, isPort: Bool, size: UInt32, match: UInt64? = nil, descriptor: Int? = nil) {
        self.descriptor = descriptor
        self.address = address
        self.isPort = isPort
        self.size = size
        self.match = match
    }
}

extension IOEvent: CustomStringConvertible {
    public var description: String {
        "\(size) bytes at \(isPort ? "port " : "")\(hexadecimal(address))"
    }
}

/// What a change of an address space takes away and adds.
public struct MemoryChange: Hashable, Sendable {
    /// The mappings to take away, each by its whole range.
    public var removed: [GuestRange]
    /// The mappings to add.
    public var added: [Mapping]
    /// The writes that KVM is no longer to take.
    public var removedEvents: [IOEvent]
    /// The writes that KVM is to take from now on.
    public var addedEvents: [IOEvent]

    /// Creates a change. Without arguments nothing changes.
    public init(
        removed: [GuestRange] = [], added: [Mapping] = [], removedEvents: [IOEvent] = [], addedEvents: [IOEvent] = []
    ) {
        self.removed = removed
        self.added = added
        self.removedEvents = removedEvents
        self.addedEvents = addedEvents
    }

    /// Whether nothing changes.
    public var isEmpty: Bool {
        removed.isEmpty && added.isEmpty && removedEvents.isEmpty && addedEvents.isEmpty
    }
}
