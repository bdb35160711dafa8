internal import Host
internal import Memslots
internal import PCI
internal import VFIO

extension VFIOContainer: MemoryObserver {
    func mirrors(_ mapping: Mapping) -> Bool {
        switch mapping.owner {
        case .ram: true
        case .bar(let function, _):
            devices.count > 1 && devices[FunctionAddress(requesterID: function)] != nil
        default: false
        }
    }

    func add(_ mapping: Mapping) throws(SlotErrno) {
        let first = state.withLock { $0.hostAddresses[mapping.backing.id] }
        // SAFETY: the machine has the memory of its backings mapped as long as it lasts, and the kernel pins the pages of each.
        let errno = unsafe container.map(
            mapping.range, at: first + mapping.backing.offset, isWritable: mapping.access == .readWrite)
        guard errno != 0 else { return }
        // What is no RAM may be beyond the IOMMU's addresses, or nothing that it can map.
        guard mapping.owner != .ram else { throw SlotErrno(rawValue: errno) }
        state.withLock { _ = $0.refused.insert(mapping.range) }
    }

    func remove(_ mapping: Mapping) throws(SlotErrno) {
        guard state.withLock({ $0.refused.remove(mapping.range) }) == nil else { return }
        let errno = container.unmap(mapping.range)
        guard errno == 0 else { throw SlotErrno(rawValue: errno) }
    }
}
