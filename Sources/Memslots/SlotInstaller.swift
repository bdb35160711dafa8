/// What carries out the steps of a transaction: KVM and the windows, or a substitute in tests.
public protocol SlotInstaller: ~Copyable {
    /// Parks the vCPUs: calls them out of the guest, and keeps them out until `resume`.
    mutating func park()

    /// Lets the vCPUs run again.
    mutating func resume()

    /// Asks KVM to change one slot (`KVM_SET_USER_MEMORY_REGION`).
    mutating func set(_ request: SlotRequest) throws(SlotErrno)

    /// Maps a piece of a backing into a window (`mmap` with MAP_FIXED).
    mutating func place(_ piece: WindowPiece) throws(SlotErrno)

    /// Unmaps a piece from its window. Reserved address space takes its place.
    mutating func clear(_ piece: WindowPiece) throws(SlotErrno)

    /// Takes the dirty log of a slot that logs (`KVM_GET_DIRTY_LOG`), and clears it in KVM.
    ///
    /// - Returns: One bit for each page that the guest has written since the log was last taken.
    mutating func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64]

    /// Lets KVM take the writes of an event, or lets these writes exit again (`KVM_IOEVENTFD`).
    mutating func setEvent(_ event: IOEvent, isTaken: Bool) throws(SlotErrno)
}

extension SlotInstaller where Self: ~Copyable {
    /// Refuses with EINVAL, because an installer without devices takes no events.
    public mutating func setEvent(_ event: IOEvent, isTaken: Bool) throws(SlotErrno) {
        throw .invalidArgument
    }
}
