/// What a transaction drives: KVM and the host windows, or in tests something that plays their part.
public protocol SlotInstaller: ~Copyable {
    /// Holds every vCPU outside the guest until `resume`.
    mutating func park()

    /// Lets the vCPUs go on.
    mutating func resume()

    /// Asks KVM for a change of one slot (`KVM_SET_USER_MEMORY_REGION`).
    mutating func set(_ request: SlotRequest) throws(SlotErrno)

    /// Maps a piece of a backing into a host window (`mmap` with MAP_FIXED).
    mutating func place(_ piece: WindowPiece) throws(SlotErrno)

    /// Leaves reserved address space where the piece was.
    mutating func clear(_ piece: WindowPiece) throws(SlotErrno)

    /// The pages of a logging slot that were written since it was last asked, a bit each, and forgets them there
    /// (`KVM_GET_DIRTY_LOG`).
    mutating func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64]

    /// Lets KVM take such writes, or lets them exit again (`KVM_IOEVENTFD`).
    mutating func setEvent(_ event: IOEvent, isTaken: Bool) throws(SlotErrno)
}

extension SlotInstaller where Self: ~Copyable {
    /// Refuses: an installer that has no devices takes no writes.
    public mutating func setEvent(_ event: IOEvent, isTaken: Bool) throws(SlotErrno) {
        throw .invalidArgument
    }
}
