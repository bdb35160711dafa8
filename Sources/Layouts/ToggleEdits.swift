import Memslots
import PCI

/// The edits of slots if a guest switches the decode of each function off and on, one function after the other, as guests do
/// that size BARs.
struct ToggleEdits {
    private(set) var count = 0
    /// The sizes of the created slots, each of which is also deleted, in pages. KVM's memory for a slot depends on its size.
    private var pages: [UInt64] = []

    /// Counts the edits.
    ///
    /// - Parameters:
    ///   - regions: Mapped regions, in order of their addresses. The slots that they share have the same order.
    ///   - bridges: The bridges. When the decode of a bridge is switched off, all functions behind it vanish too.
    init(_ regions: [DecodedRegion], in slots: [PlannedSlots.Slot], behind bridges: BridgeTree) {
        var next = 0
        for slot in slots {
            let shared = regions[next..<next + slot.mappings]
            next += slot.mappings
            if let only = shared.first, shared.count == 1 {
                for _ in bridges.path(to: only.owner.function) { edit(slot.range.pages, rests: []) }
                continue
            }
            // Each function takes its regions out of the run of mappings. The parts of the run before, between and after these
            // regions remain.
            var groups: [FunctionAddress: [Int]] = [:]
            for place in shared.indices {
                for function in bridges.path(to: shared[place].owner.function) {
                    groups[function, default: []].append(place)
                }
            }
            for places in groups.values {
                var rests: [UInt64] = []
                var start = shared.startIndex
                for place in places + [shared.endIndex] {
                    if place > start {
                        let first = shared[start].range.first
                        let last = shared[place - 1].range.last
                        rests.append(last.frame - first.frame + 1)
                    }
                    start = place + 1
                }
                edit(slot.range.pages, rests: rests)
            }
        }
    }

    /// Counts one toggle. Off: the slot is deleted, and slots for the remaining parts are created. On: the other way round.
    private mutating func edit(_ whole: UInt64, rests: [UInt64]) {
        count += 2 * (1 + rests.count)
        pages.append(whole)
        pages += rests
    }

    /// Returns the time of all edits. Each slot is created once and deleted once.
    func microseconds(_ costs: PlanningHost.EditCosts, _ mmu: Footprint.MMU) -> Double {
        let least = Double(Footprint.kernelBytes(pages: 1, mmu: mmu))
        return pages.reduce(0) { sum, pages in
            let bytes = Double(Footprint.kernelBytes(pages: pages, mmu: mmu)) - least
            return sum + costs.createMicroseconds + costs.deleteMicroseconds
                + costs.microsecondsPerMiB * bytes / Double(1 << 20)
        }
    }
}
