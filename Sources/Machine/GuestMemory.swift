internal import Host
internal import KVM
internal import Memslots

/// A guest's memory: how it should look, the slots that make it so, and the host memory behind it.
struct GuestMemory: ~Copyable {
    private(set) var space: AddressSpace
    var installer: KVMSlotInstaller
    private var allocated: UInt64 = 0

    /// Memory for a new virtual machine, from a file that is still empty.
    init(
        vm: consuming VirtualMachine, file: consuming MappedFile, windows: consuming HostWindows, limits: SlotLimits,
        policy: SlotPolicy, parking: Parking
    ) {
        let placement = Placement(backings: [file.address], windows: windows.windows)
        installer = KVMSlotInstaller(vm: vm, file: file, windows: windows, parking: parking)
        space = AddressSpace(limits: limits, policy: policy, placement: placement)
    }

    /// Host memory for a mapping: zero, and not there until it is touched.
    mutating func allocate(_ size: UInt64) throws(MachineError) -> Backing {
        let left = installer.file.capacity - allocated
        guard size <= left else {
            throw .configuration("\(size) bytes of memory: \(left) are left of what the machine was made with")
        }
        if installer.file.file.size < installer.file.capacity {
            // Pages take memory once they are touched, so the file has its full size from the first allocation on.
            try grow()
        }
        let backing = Backing(offset: allocated)
        allocated += size
        return backing
    }

    private mutating func grow() throws(MachineError) {
        do { try installer.file.resize(to: installer.file.capacity) } catch { throw .host(error) }
    }

    /// Takes mappings away and adds others: all of it or nothing. What is mapped has been allocated.
    mutating func change(removing: [GuestRange] = [], adding: [Mapping] = []) throws(MachineError) {
        for mapping in adding {
            // Anything else would give the guest memory of this process.
            precondition(
                mapping.backing.id == 0 && mapping.range.size <= allocated
                    && mapping.backing.offset <= allocated - mapping.range.size, "\(mapping.owner) was not allocated")
        }
        do throws(AddressSpaceError) {
            try space.change(removing: removing, adding: adding, through: &installer)
        } catch {
            throw .memory(error)
        }
    }

    mutating func setDirtyLogging(_ logs: Bool, in range: GuestRange) throws(MachineError) {
        do throws(AddressSpaceError) {
            try space.setDirtyLogging(logs, in: range, through: &installer)
        } catch {
            throw .memory(error)
        }
    }

    mutating func takeDirtyPages(in range: GuestRange) throws(MachineError) -> DirtyBitmap {
        do throws(AddressSpaceError) {
            return try space.takeDirtyPages(in: range, through: &installer)
        } catch {
            throw .memory(error)
        }
    }

    /// Copies bytes into guest memory, read-only mappings included; false, and nothing copied, where a part is not mapped.
    func write(_ bytes: [UInt8], at address: GuestAddress) -> Bool {
        write(bytes.span, at: address)
    }

    func write(_ bytes: Span<UInt8>, at address: GuestAddress) -> Bool {
        guard !bytes.isEmpty else { return true }
        guard let parts = parts(of: UInt64(bytes.count), at: address) else { return false }
        var done = 0
        for part in parts {
            installer.file.write(bytes.extracting(done..<done + part.count), at: part.offset)
            done += part.count
        }
        return true
    }

    /// Bytes of guest memory, or nil where a part is not mapped.
    func read(count: Int, at address: GuestAddress) -> [UInt8]? {
        guard count > 0 else { return [] }
        guard let parts = parts(of: UInt64(count), at: address) else { return nil }
        return parts.flatMap { installer.file.read(count: $0.count, at: $0.offset) }
    }

    /// The parts of the file behind a piece of guest memory.
    private func parts(of count: UInt64, at address: GuestAddress) -> [(offset: UInt64, count: Int)]? {
        guard let range = GuestRange(first: address, size: count) else { return nil }
        var parts: [(offset: UInt64, count: Int)] = []
        var next = range.first
        for mapping in space.mappings(in: range) {
            guard let part = mapping.range.intersection(range), part.first == next else { return nil }
            parts.append((mapping.backing.offset + mapping.range.offset(of: part.first), Int(part.size)))
            guard part.last < range.last, let behind = part.last.advanced(by: 1) else { return parts }
            next = behind
        }
        return nil
    }
}
