/// Something that mirrors guest memory besides KVM's slots: an IOMMU, or a device process that is given the guest's RAM.
///
/// Observers take part in each transaction, while no vCPU runs. A transaction tells observers of removed mappings before it changes
/// KVM's slots, and of added mappings afterwards. If an observer refuses, the whole change is refused and undone. An observer that
/// cannot take back what it has done is lost: it hears of no further change, and the function that owns the observer is lost with
/// it.
///
/// The machine lock is held during each call. So an observer must bound the time that it takes, and must not call a method of the
/// machine.
public protocol MemoryObserver: AnyObject, Sendable {
    /// Returns whether the observer mirrors a mapping. The answer for one mapping must never change.
    func mirrors(_ mapping: Mapping) -> Bool

    /// Mirrors a mapping.
    func add(_ mapping: Mapping) throws(SlotErrno)

    /// Ends the mirroring of a mapping that was added before.
    func remove(_ mapping: Mapping) throws(SlotErrno)
}

/// The id of an observer in its address space. An id is not used again after its observer has left.
public struct ObserverID: Hashable, Sendable {
    let number: Int
}

/// An event: guest writes that KVM takes itself (`KVM_IOEVENTFD`). KVM counts them in an eventfd, and the vCPU goes on without an
/// exit.
public struct IOEvent: Hashable, Sendable {
    /// The port or the guest-physical address of the writes.
    public var address: UInt64
    /// Whether `address` is a port.
    public var isPort: Bool
    /// The width of the writes in bytes: 1, 2, 4 or 8. Writes of another width exit.
    public var size: UInt32
    /// The only written value that KVM takes, or nil if KVM takes any value.
    public var match: UInt64?
    /// The number of the eventfd that KVM signals, among the eventfds that the machine was given. Nil stands for an eventfd of the
    /// machine's own.
    public var descriptor: Int?

    /// Creates an event for writes of any value, or of one value if `match` is given.
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

/// What a change of an address space removes and adds.
public struct MemoryChange: Hashable, Sendable {
    /// The ranges of the mappings to remove. Each must be the whole range of one mapping.
    public var removed: [GuestRange]
    /// The mappings to add.
    public var added: [Mapping]
    /// The events whose writes KVM is no longer to take.
    public var removedEvents: [IOEvent]
    /// The events whose writes KVM is to take from now on.
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
