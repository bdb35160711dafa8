internal import Host
public import Memslots
public import PCI
internal import Synchronization

/// A machine's memory, from any thread, before and while its guest runs.
extension GuestMachine {
    /// Host memory for mappings: zero, and not there until it is touched. It lasts as long as the machine.
    ///
    /// The machine's configuration says how much there can be beside RAM and extra slots (`spareMemory`).
    public func allocate(_ size: UInt64) throws(MachineError) -> Backing {
        try state.withLock { state throws(MachineError) in try state.memory.installer.store.allocate(size) }
    }

    /// Takes mappings away, by their ranges, and adds others: all of it or nothing. Running vCPUs never see a state in
    /// between, unless they are not `parked`: that is for measuring what parking saves.
    public func changeMemory(
        removing: [GuestRange] = [], adding: [Mapping] = [], parked: Bool = true
    ) throws(MachineError) {
        try changeState(parked: parked) { state throws(MachineError) in
            try state.memory.change(MemoryChange(removed: removing, added: adding))
        }
    }

    /// Adds an observer of memory, which hears of all mappings that are there and of each change from then on. An observer that
    /// could not take a change back is lost, and with it the function that is its `owner`.
    public func addObserver(
        _ observer: any MemoryObserver, of owner: FunctionAddress? = nil
    ) throws(MachineError) -> ObserverID {
        try changeState { state throws(MachineError) in try state.addObserver(observer, of: owner) }
    }

    /// Removes an observer, which forgets all mappings.
    public func removeObserver(_ id: ObserverID) throws(MachineError) {
        try changeState { state throws(MachineError) in try state.removeObserver(id) }
    }

    /// Starts or ends the logging of the pages that the guest writes.
    public func setDirtyLogging(_ logs: Bool, in range: GuestRange, parked: Bool = true) throws(MachineError) {
        try changeState(parked: parked) { state throws(MachineError) in
            try state.memory.setDirtyLogging(logs, in: range)
        }
    }

    /// The pages of a range that the guest has written since they were last taken.
    public func takeDirtyPages(in range: GuestRange) throws(MachineError) -> DirtyBitmap {
        try changeState { state throws(MachineError) in
            try state.memory.takeDirtyPages(in: range)
        }
    }

    /// Copies bytes into guest memory; false where a part is not mapped or cannot be written.
    public func write(_ bytes: [UInt8], at address: GuestAddress) -> Bool {
        state.withLock { $0.memory.write(bytes.span, at: address) }
    }

    /// Bytes of guest memory, or nil where a part is not mapped or cannot be read.
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

    /// Changes the state under the machine lock, and lets vCPUs know. Where an observer is lost on the way, so is its function.
    func changeState<Result: Sendable>(
        parked: Bool = true, _ body: (inout MachineState) throws(MachineError) -> Result
    ) throws(MachineError) -> Result {
        // A vCPU that finds a window empty for a moment would stop with EFAULT.
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
                if !error.lostObservers.isEmpty { try state.endFunctions(of: error.lostObservers) }
                throw error
            }
        }
    }
}
