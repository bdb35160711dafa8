internal import Host
internal import KVM
internal import Memslots

/// A guest's memory: the mappings that it should have, the slots that follow from them, and the host memory behind it.
struct GuestMemory: ~Copyable {
    private(set) var space: AddressSpace
    var installer: KVMSlotInstaller

    init(installer: consuming KVMSlotInstaller, limits: SlotLimits, policy: SlotPolicy) {
        let placement = Placement(backings: installer.store.hostAddresses, windows: installer.windows.windows)
        self.installer = installer
        space = AddressSpace(limits: limits, policy: policy, placement: placement)
    }

    /// Removes and adds mappings and events, and lets observers leave or join. If this throws, nothing has changed.
    ///
    /// - Returns: The number of the observer that joined.
    @discardableResult
    mutating func change(
        _ change: MemoryChange, leaving: [ObserverID] = [], joining: (any MemoryObserver)? = nil
    ) throws(MachineError) -> ObserverID? {
        for mapping in change.added { try installer.store.check(mapping) }
        return try wrapped(try space.change(change, leaving: leaving, joining: joining, through: &installer))
    }

    /// Adds a backing that no mapping shows yet. Returns its id, which is the lowest free one.
    mutating func add(_ backing: ForeignBacking) -> Int {
        let id = installer.store.add(backing)
        space.setBacking(id, at: backing.reservation.address)
        return id
    }

    mutating func setDirtyLogging(_ logs: Bool, in range: GuestRange) throws(MachineError) {
        try wrapped(try space.setDirtyLogging(logs, in: range, through: &installer))
    }

    mutating func takeDirtyPages(in range: GuestRange) throws(MachineError) -> DirtyBitmap {
        try wrapped(try space.takeDirtyPages(in: range, through: &installer))
    }

    /// Copies bytes into guest memory, also into read-only mappings. Returns false if not all bytes can be written. If a part
    /// is not mapped, nothing is copied.
    func write(_ bytes: Span<UInt8>, at address: GuestAddress) -> Bool {
        guard !bytes.isEmpty else { return true }
        guard let parts = parts(of: UInt64(bytes.count), at: address) else { return false }
        var done = 0
        for part in parts {
            guard installer.store.write(bytes.extracting(done..<done + part.count), at: part.place) else {
                return false
            }
            done += part.count
        }
        return true
    }

    /// Returns bytes of guest memory, or nil if a part is not mapped or cannot be read.
    func read(count: Int, at address: GuestAddress) -> [UInt8]? {
        guard count > 0 else { return [] }
        guard let parts = parts(of: UInt64(count), at: address) else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard let read = installer.store.read(count: part.count, at: part.place) else { return nil }
            bytes += read
        }
        return bytes
    }

    /// Returns the parts of backings that a range of guest memory shows, or nil if a part of it is not mapped.
    func parts(of count: UInt64, at address: GuestAddress) -> [(place: Backing, count: Int)]? {
        guard let range = GuestRange(first: address, size: count) else { return nil }
        var parts: [(place: Backing, count: Int)] = []
        var next = range.first
        for mapping in space.mappings(in: range) {
            guard let part = mapping.range.intersection(range), part.first == next else { return nil }
            var place = mapping.backing
            place.offset += mapping.range.offset(of: part.first)
            parts.append((place, Int(part.size)))
            guard part.last < range.last, let behind = part.last.advanced(by: 1) else { return parts }
            next = behind
        }
        return nil
    }
}

/// Returns the result of a change of guest memory, and throws a refusal as a machine error.
private func wrapped<Result>(_ call: @autoclosure () throws(AddressSpaceError) -> Result) throws(MachineError) -> Result
{
    do { return try call() } catch { throw .memory(error) }
}
