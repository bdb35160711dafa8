internal import Host
internal import Memslots
internal import VFIOUser

/// The observer that gives a device process the guest's RAM, and nothing else.
final class ProcessMemory: MemoryObserver {
    private let device: DeviceProcess
    private let memory: MappedRAM

    init(_ device: DeviceProcess, _ memory: MappedRAM) {
        (self.device, self.memory) = (device, memory)
    }

    func mirrors(_ mapping: Mapping) -> Bool { mapping.owner == .ram && mapping.backing.id == BackingStore.ram }

    func add(_ mapping: Mapping) throws(SlotErrno) {
        let asked = DMAMapping(
            offset: mapping.backing.offset, address: mapping.range.first.rawValue, size: mapping.range.size,
            isWritable: mapping.access == .readWrite)
        memory.mappings.withLock { $0.append(mapping) }
        guard let errno = device.map(asked, file: memory.ram.file), device.loss == nil else { return }
        memory.mappings.withLock { $0.removeAll { $0 == mapping } }
        throw SlotErrno(rawValue: Int32(truncatingIfNeeded: errno))
    }

    func remove(_ mapping: Mapping) throws(SlotErrno) {
        device.unmap(DMAUnmapping(address: mapping.range.first.rawValue, size: mapping.range.size))
        memory.mappings.withLock { $0.removeAll { $0 == mapping } }
    }
}

/// The RAM that a device process was given, for the requests that the process makes by messages. No lock of the machine is held
/// meanwhile.
final class MappedRAM: DMAMemory {
    let ram: SharedRAM
    let mappings = Lock<[Mapping]>([])

    init(_ ram: SharedRAM) { self.ram = ram }

    func read(count: Int, at address: UInt64) -> [UInt8]? {
        place(of: count, at: address, writable: false).map { ram.read(count: count, at: $0) }
    }

    func write(_ bytes: [UInt8], at address: UInt64) -> Bool {
        guard let place = place(of: bytes.count, at: address, writable: true) else { return false }
        ram.write(bytes.span, at: place)
        return true
    }

    /// Returns the offset of bytes in the RAM's file, or nil if they are not all in one mapping.
    private func place(of count: Int, at address: UInt64, writable: Bool) -> UInt64? {
        guard let range = GuestRange(first: GuestAddress(address), size: UInt64(count)) else { return nil }
        return mappings.withLock { mappings in
            mappings.first { $0.range.contains(range) && (!writable || $0.access == .readWrite) }
                .map { $0.backing.offset + $0.range.offset(of: range.first) }
        }
    }
}
