/// Something that mirrors guest memory beside KVM's slots: an IOMMU, or a device process that is given the guest's RAM.
///
/// Observers take part in each transaction. They hear of mappings that go before KVM's slots change, and of mappings that come
/// afterwards, while no vCPU runs. An observer that refuses makes the whole change be refused. An observer that can neither
/// apply a change nor take it back is lost: it hears of nothing any more, and its owner has to go.
public protocol MemoryObserver: AnyObject, Sendable {
    /// Whether the observer mirrors this mapping.
    func mirrors(_ mapping: Mapping) -> Bool

    /// Mirrors a mapping.
    func add(_ mapping: Mapping) throws(SlotErrno)

    /// Ends the mirroring of a mapping that was added.
    func remove(_ mapping: Mapping) throws(SlotErrno)
}

/// The number of an observer in its address space; numbers are not used again.
public struct ObserverID: Hashable, Sendable {
    let number: Int
}

/// Guest writes that KVM takes itself (`KVM_IOEVENTFD`): they count an eventfd, and the vCPU goes on.
public struct IOEvent: Hashable, Sendable {
    /// A port, or a guest-physical address.
    public var address: UInt64
    public var isPort: Bool
    /// Bytes of a write: 1, 2, 4 or 8. Writes of another width exit.
    public var size: UInt32
    /// The only value that is taken, or nil for any.
    public var match: UInt64?

    public init(address: UInt64, isPort: Bool, size: UInt32, match: UInt64? = nil) {
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
    /// The ranges of whole mappings that go.
    public var removed: [GuestRange]
    public var added: [Mapping]
    /// The writes that KVM takes no longer.
    public var removedEvents: [IOEvent]
    /// The writes that KVM takes from now on.
    public var addedEvents: [IOEvent]

    public init(
        removed: [GuestRange] = [], added: [Mapping] = [], removedEvents: [IOEvent] = [], addedEvents: [IOEvent] = []
    ) {
        self.removed = removed
        self.added = added
        self.removedEvents = removedEvents
        self.addedEvents = addedEvents
    }

    public var isEmpty: Bool {
        removed.isEmpty && added.isEmpty && removedEvents.isEmpty && addedEvents.isEmpty
    }
}
