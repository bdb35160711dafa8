public import Memslots
public import PCI
internal import Synchronization

/// What lies where in a guest's memory at one moment.
public struct MemoryDescription: Sendable {
    /// A mapping and the slot that it is in.
    public struct Row: Sendable {
        public let mapping: Mapping
        public let slot: SlotID
    }

    /// A part of guest-physical memory with a purpose.
    public struct Area: Sendable {
        public let name: String
        public let range: GuestRange
    }

    /// By address.
    public let rows: [Row]
    /// What functions decode, by address.
    public let decoded: [DecodedRegion]
    /// By address.
    public let areas: [Area]

    /// Pieces of BARs and ROMs whose accesses exit to the monitor, by address.
    public var trapped: [DecodedRegion] {
        decoded.filter { $0.kind == .trapped }
    }
}

extension GuestMachine {
    /// The guest's memory as it is now.
    public var memory: MemoryDescription {
        state.withLock { state in
            let space = state.memory.space
            let rows = space.mappings(in: .everything).compactMap { mapping in
                space.table.slotID(at: mapping.range.first).map {
                    MemoryDescription.Row(mapping: mapping, slot: $0)
                }
            }
            return MemoryDescription(
                rows: rows, decoded: state.pci?.decoded.regions ?? [], areas: layout.areas)
        }
    }
}

extension MachineLayout {
    /// What is there on every machine, and what this one has beside it.
    fileprivate var areas: [MemoryDescription.Area] {
        var areas: [MemoryDescription.Area] = []
        func add(_ name: String, _ range: GuestRange?) {
            if let range {
                areas.append(MemoryDescription.Area(name: name, range: range))
            }
        }
        add("RAM below 3 GiB", GuestRange(first: GuestAddress(0), size: RAMLayout.hole.first.rawValue))
        if hasFunctions {
            add("configuration space (ECAM)", MemoryMap.ecam)
        }
        add("low aperture", MemoryMap.lowAperture)
        add("interrupt controllers", MemoryMap.interruptControllers)
        let behindHole = GuestAddress(RAMLayout.hole.last.rawValue + 1)
        if let high = highAperture, high.first > behindHole {
            add("RAM from 4 GiB on", GuestRange(first: behindHole, last: GuestAddress(high.first.rawValue - 1)))
        }
        if hasFunctions {
            add("high aperture", highAperture)
        }
        return areas
    }
}
