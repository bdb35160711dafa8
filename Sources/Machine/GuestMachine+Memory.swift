public import Host
public import Memslots
public import PCI
internal import Synchronization

/// Methods that change, read and write the memory of a machine. All can be called from any thread, before and while the guest runs.
extension GuestMachine {
    /// Allocates zeroed host memory for mappings. It lasts as long as the machine, and takes memory of the host once it is touched.
    ///
    /// - Throws: `MachineError.outOfSpareMemory` if not so much is left of the memory that the machine was made with
    ///   (`MachineConfiguration.spareMemory`).
    public func allocate(_ size: UInt64) throws(MachineError) -> Backing {
        try state.withLock { state throws(MachineError) in try state.memory.installer.store.allocate(size) }
    }

    /// Removes mappings, by their ranges, and adds others. If this throws, nothing has changed.
    ///
    /// - Parameter parked: Whether vCPUs are parked meanwhile, so that none sees a state in between. It is false only in order
    ///   to measure what parking costs.
    public func changeMemory(
        removing: [GuestRange] = [], adding: [Mapping] = [], parked: Bool = true
    ) throws(MachineError) {
        try changeState(parked: parked) { state throws(MachineError) in
            _ = try state.memory.change(MemoryChange(removed: removing, added: adding))
        }
    }

    /// Adds an observer of memory, and tells it of all present mappings. The observer hears of each change from then on.
    ///
    /// - Parameters:
    ///   - observer: The observer.
    ///   - owner: The function that ends if the observer is lost because it could not take a change back.
    /// - Throws: The observer's refusal of a mapping. The observer is then not added.
    public func addObserver(
        _ observer: any MemoryObserver, of owner: FunctionAddress? = nil
    ) throws(MachineError) -> ObserverID {
        try changeState { state throws(MachineError) in try state.addObserver(observer, of: owner) }
    }

    /// Removes an observer. The observer forgets all mappings.
    public func removeObserver(_ id: ObserverID) throws(MachineError) {
        try changeState { state throws(MachineError) in try state.removeObserver(id) }
    }

    /// Starts or ends the logging of the pages that the guest writes.
    public func setDirtyLogging(_ logs: Bool, in range: GuestRange, parked: Bool = true) throws(MachineError) {
        try changeState(parked: parked) { state throws(MachineError) in
            try state.memory.setDirtyLogging(logs, in: range)
        }
    }

    /// Returns the pages of a range that the guest has written since they were last taken.
    public func takeDirtyPages(in range: GuestRange) throws(MachineError) -> DirtyBitmap {
        try changeState { state throws(MachineError) in
            try state.memory.takeDirtyPages(in: range)
        }
    }

    /// Copies bytes into guest memory. Returns false if a part is not mapped or cannot be written.
    public func write(_ bytes: [UInt8], at address: GuestAddress) -> Bool {
        state.withLock { $0.memory.write(bytes.span, at: address) }
    }

    /// Returns bytes of guest memory, or nil if a part is not mapped or cannot be read.
    public func read(count: Int, at address: GuestAddress) -> [UInt8]? {
        state.withLock { $0.memory.read(count: count, at: address) }
    }

    /// Gives the pages of memory from `allocate` back to the host. They read as zeros afterwards, and the next access to a page
    /// faults it in.
    package func discard(_ backing: Backing, size: UInt64) {
        state.withLock { $0.memory.installer.store.release(backing, size: size) }
    }

    /// Calls `body` while all vCPUs are out of the guest, as they are during a change of memory.
    package func whileParked<Result: Sendable>(
        _ body: () throws(MachineError) -> Result
    ) throws(MachineError) -> Result {
        try state.withLock { state throws(MachineError) in
            state.memory.installer.park()
            defer { state.memory.installer.resume() }
            return try body()
        }
    }

    /// Waits until all vCPUs of a run are in the guest, for at most a second.
    package func awaitEntry() {
        let deadline = SuspendingClock.now + .seconds(1)
        let isRunning = vcpus.contains { $0.control.withLock { $0.threadState == .running } }
        while isRunning, !vcpus.allSatisfy({ $0.isInGuest.load(ordering: .relaxed) }), .now < deadline {
            HostThread.sleep(for: .microseconds(10))
        }
    }

    /// The virtual machine, for experiments that call KVM themselves. An experiment leaves the slots as it found them.
    package var virtualMachine: OwnedVM { owned }

    /// Returns what the host has given for the RAM until now, and whether the RAM is in a memory file.
    public func ramUse() throws(MachineError) -> (isFile: Bool, use: MemoryUse) {
        try state.withLock { state throws(MachineError) in try host(try state.memory.installer.store.ramUse()) }
    }

    /// The slots that KVM holds at present.
    public var slots: MemslotTable {
        state.withLock { $0.memory.space.table }
    }

    /// Returns the mapping that holds an address.
    public func mapping(at address: GuestAddress) -> Mapping? {
        state.withLock { $0.memory.space.mapping(at: address) }
    }

    /// Changes the state under the machine lock, and publishes the number of the present routing for vCPUs. If an observer is
    /// lost meanwhile, its function ends.
    func changeState<Result: Sendable>(
        parked: Bool = true, _ body: (inout MachineState) throws(MachineError) -> Result
    ) throws(MachineError) -> Result {
        // A slot shows memory in a window, from which pieces are missing for a moment. A vCPU that touched them would stop with EFAULT.
        precondition(
            parked || layout.configuration.policy == .separate, "where neighbours share slots, vCPUs are parked")
        return try state.withLock { (state: inout MachineState) throws(MachineError) -> Result in
            state.memory.installer.parksVCPUs = parked
            defer {
                state.memory.installer.parksVCPUs = true
                routing.store(state.routing, ordering: .releasing)
            }
            do throws(MachineError) {
                return try body(&state)
            } catch {
                if !error.lostObservers.isEmpty { state.endFunctions(of: error.lostObservers) }
                throw error
            }
        }
    }
}
