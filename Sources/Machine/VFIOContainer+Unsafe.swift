internal import Host
internal import Memslots
internal import PCI
internal import VFIO

/// The observer by which a function of a container reaches guest RAM, and the BARs of the other functions if the IOMMU takes these.
///
/// Each function has an observer of its own, so that each function ends if RAM cannot be mapped again. A range that several
/// observers add is mapped once.
final class VFIOMemory: MemoryObserver {
    private let container: VFIOContainer

    init(_ container: VFIOContainer) { self.container = container }

    func mirrors(_ mapping: Mapping) -> Bool {
        switch mapping.owner {
        case .ram: true
        case .bar(let segment, let function, _):
            container.hasPeers(of: FunctionAddress(requesterID: function, segment: segment))
        default: false
        }
    }

    func add(_ mapping: Mapping) throws(SlotErrno) { try container.map(mapping) }
    func remove(_ mapping: Mapping) throws(SlotErrno) { try container.unmap(mapping.range) }
}

extension VFIOContainer {
    fileprivate func map(_ mapping: Mapping) throws(SlotErrno) {
        try state.withLock { (state) throws(SlotErrno) in
            guard state.uses[mapping.range, default: 0] == 0 else { return state.uses[mapping.range, default: 0] += 1 }
            let first = state.hostAddresses[mapping.backing.id] + mapping.backing.offset
            // SAFETY: the memory of its backings is mapped as long as the machine lasts, and the kernel pins the pages of each.
            let errno = unsafe container.map(mapping.range, at: first, isWritable: mapping.access == .readWrite)
            // A BAR may lie beyond the IOMMU's addresses, or be memory that the IOMMU cannot map.
            guard errno == 0 || mapping.owner != .ram else { throw SlotErrno(rawValue: errno) }
            if errno != 0 { state.refused.insert(mapping.range) }
            state.uses[mapping.range] = 1
        }
    }

    fileprivate func unmap(_ range: GuestRange) throws(SlotErrno) {
        try state.withLock { (state) throws(SlotErrno) in
            if let uses = state.uses[range], uses > 1 { return state.uses[range] = uses - 1 }
            if state.refused.remove(range) == nil {
                let errno = container.unmap(range)
                guard errno == 0 else { throw SlotErrno(rawValue: errno) }
            }
            state.uses[range] = nil
        }
    }
}
