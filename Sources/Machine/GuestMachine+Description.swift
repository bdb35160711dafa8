internal import Board
public import Layouts
internal import Memslots
internal import PCI
internal import Synchronization

extension GuestMachine {
    /// The guest's memory as it is now.
    public var memory: MemoryDescription {
        state.withLock { state in
            let space = state.memory.space
            let rows = space.mappings(in: .everything).compactMap { mapping in
                space.table.slotID(at: mapping.range.first).map {
                    MemoryDescription.Row(mapping: mapping, slot: Int($0))
                }
            }
            return MemoryDescription(
                rows: rows, decoded: state.pci?.decoded.regions ?? [],
                areas: layout.board.areas(hasFunctions: layout.hasFunctions))
        }
    }
}
