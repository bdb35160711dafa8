internal import Host
internal import Memslots
internal import PCI
internal import VFIO

/// Lets the functions of a container reach guest RAM, and the BARs of each other where the IOMMU takes these.
///
/// Each function has an observer of its own, so that each ends if RAM cannot be mapped again. What all of them ask for is mapped once.
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
            // SAFETY: the machine has the memory of its backings mapped as long as it lasts, and the kernel pins the pages of each.
            let errno = unsafe container.map(mapping.range, at: first, isWritable: mapping.access == .readWrite)
            // What is no RAM may be beyond the IOMMU's addresses, or nothing that it can map.
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
