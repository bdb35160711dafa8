internal import Host
public import Memslots
internal import Synchronization

/// A machine's memory, from any thread, before and while its guest runs.
extension GuestMachine {
    /// Host memory for mappings: zero, and not there until it is touched. It lasts as long as the machine.
    ///
    /// The machine's configuration says how much there can be beside RAM and extra slots (`spareMemory`).
    public func allocate(_ size: UInt64) throws(MachineError) -> Backing {
        try locked { state throws(MachineError) in
            try state.memory.allocate(size)
        }
    }

    /// Takes mappings away, by their ranges, and adds others: all of it or nothing. Running vCPUs never see a state in
    /// between.
    public func changeMemory(removing: [GuestRange] = [], adding: [Mapping] = []) throws(MachineError) {
        try locked { state throws(MachineError) in
            try state.memory.change(removing: removing, adding: adding)
        }
    }

    /// Starts or ends the logging of the pages that the guest writes.
    public func setDirtyLogging(_ logs: Bool, in range: GuestRange) throws(MachineError) {
        try locked { state throws(MachineError) in
            try state.memory.setDirtyLogging(logs, in: range)
        }
    }

    /// The pages of a range that the guest has written since they were last taken.
    public func takeDirtyPages(in range: GuestRange) throws(MachineError) -> DirtyBitmap {
        try locked { state throws(MachineError) in
            try state.memory.takeDirtyPages(in: range)
        }
    }

    /// Copies bytes into guest memory; false, and nothing copied, where a part is not mapped.
    public func write(_ bytes: [UInt8], at address: GuestAddress) -> Bool {
        state.withLock { $0.memory.write(bytes, at: address) }
    }

    /// Bytes of guest memory, or nil where a part is not mapped.
    public func read(count: Int, at address: GuestAddress) -> [UInt8]? {
        state.withLock { $0.memory.read(count: count, at: address) }
    }

    /// The slots that KVM holds now.
    public var slots: MemslotTable {
        state.withLock { $0.memory.space.table }
    }

    /// The mapping that holds an address.
    public func mapping(at address: GuestAddress) -> Mapping? {
        state.withLock { $0.memory.space.mapping(at: address) }
    }

    private func locked<Result: Sendable>(
        _ body: (inout MachineState) throws(MachineError) -> Result
    ) throws(MachineError) -> Result {
        try state.withLock { state throws(MachineError) in try body(&state) }
    }
}
