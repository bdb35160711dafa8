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
    /// between, unless they are not `parked`: that is for measuring what parking saves.
    public func changeMemory(
        removing: [GuestRange] = [], adding: [Mapping] = [], parked: Bool = true
    ) throws(MachineError) {
        try locked(parked: parked) { state throws(MachineError) in
            try state.memory.change(removing: removing, adding: adding)
        }
    }

    /// Starts or ends the logging of the pages that the guest writes.
    public func setDirtyLogging(_ logs: Bool, in range: GuestRange, parked: Bool = true) throws(MachineError) {
        try locked(parked: parked) { state throws(MachineError) in
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

    func locked<Result: Sendable>(
        parked: Bool = true, _ body: (inout MachineState) throws(MachineError) -> Result
    ) throws(MachineError) -> Result {
        // A vCPU that finds a window empty for a moment would stop with EFAULT.
        precondition(parked || layout.policy == .separate, "where neighbours share slots, vCPUs are parked")
        return try state.withLock { state throws(MachineError) in
            state.memory.installer.parksVCPUs = parked
            defer { state.memory.installer.parksVCPUs = true }
            return try body(&state)
        }
    }
}
