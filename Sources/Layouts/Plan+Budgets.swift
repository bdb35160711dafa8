import Board
import Memslots
import PCI

extension Plan {
    /// The name of the budget for BARs and RAM at addresses that a host with AMD's IOMMU does not map.
    public static let addressesOfAMD = "BARs or RAM at AMD's addresses"

    /// Limits that no option of the plan changes.
    private enum Limit {
        /// The number of interrupt routes of a VM (KVM_MAX_IRQ_ROUTES).
        static let routes: UInt64 = 4096
        /// The routes of the PICs and the IOAPIC, which KVM makes itself.
        static let ownRoutes: UInt64 = 40
        /// The number of ioeventfds on a bus (NR_IOBUS_DEVS).
        static let ioeventfds: UInt64 = 1000
        /// The number of DMA mappings of a container (`dma_entry_limit` of the vfio_iommu_type1 module).
        static let dmaMappings: UInt64 = 65535
        /// The numbers of memory regions that vhost-user backends take. The protocol says 8, usual ones take 32, and some take
        /// 509, as many as KVM once had slots.
        static let vhostUser: [UInt64] = [32, 509]
    }

    static func makeBudgets(
        _ layout: Layout, _ placed: PlacedLayout, _ windows: Windows, slots: Slots, separate: Slots, policy: SlotPolicy,
        host: PlanningHost,
        memory: UInt64
    ) -> [Budget] {
        let pieces = UInt64(separate.count)
        let vectors = layout.functions.reduce(UInt64(0)) { $0 + $1.description.vectors }
        var budgets = [
            Budget(name: "slots", need: UInt64(slots.count), limit: UInt64(host.slots))
        ]
        budgets += addressBudgets(placed, windows, host)
        budgets += [
            // Each vector has a route.
            Budget(name: "IRQ routes", need: vectors + Limit.ownRoutes, limit: Limit.routes),
            // Each function whose guest rings a doorbell has an ioeventfd.
            Budget(
                name: "ioeventfds on a bus", need: UInt64(layout.functions.count { $0.description.doorbell != nil }),
                limit: Limit.ioeventfds),
            // Each piece that is mapped for the guest is mapped for the devices as well, and so is the RAM.
            Budget(name: "VFIO DMA mappings", need: pieces + 1, limit: Limit.dmaMappings),
            Budget(name: "mapped areas", need: areas(slots, policy), limit: UInt64(host.mappedAreas)),
            // VFIO has a group and a device for each function, and an eventfd for each vector.
            Budget(
                name: "open files", need: 2 * UInt64(layout.functions.count { $0.description.bridge == nil }) + vectors,
                limit: UInt64(host.openFiles)),
        ]
        budgets += memoryBudgets(layout, placed, slots, host, memory)
        budgets += realFunctionBudgets(layout, placed)
        budgets += Limit.vhostUser.map { limit in
            Budget(
                name: "vhost-user regions, \(limit)", need: UInt64(slots.count) + 1, limit: limit,
                condition: "with a vhost-user backend that takes \(limit)")
        }
        return budgets
    }

    /// Makes the budgets of the host's memory, and of the addresses that AMD's processors keep for themselves.
    private static func memoryBudgets(
        _ layout: Layout, _ placed: PlacedLayout, _ slots: Slots, _ host: PlanningHost, _ memory: UInt64
    ) -> [Budget] {
        var budgets: [Budget] = []
        if let limit = host.lockedMemory {
            // Memory that devices can reach is pinned. It is charged unless it is a real device's own memory.
            let real = layout.realFunctions
            let charged = placed.mapped.reduce(UInt64(0)) { real.contains($1.owner.function) ? $0 : $0 &+ $1.size }
            let need = memory.addingReportingOverflow(charged)
            budgets.append(
                Budget(
                    name: "pinned memory", need: need.overflow ? .max : need.partialValue, limit: limit, unit: .bytes,
                    condition: "without CAP_IPC_LOCK"
                        + (real.isEmpty ? ", and where BARs are memory of the monitor" : "")))
        }
        if let limit = host.controlGroupMemory, let need = slots.kernelBytes[host.mmu] {
            budgets.append(Budget(name: "kernel memory in the cgroup", need: need, limit: limit, unit: .bytes))
        }
        if host.iommu != .intel {
            let ranges = PlanningHost.IOMMU.amd.reserved
            let places = placed.assignments.compactMap { GuestRange(first: GuestAddress($0.base), size: $0.size) }
            let hidden = (places + placed.ram).count { place in ranges.contains { $0.overlaps(place) } }
            budgets.append(
                Budget(
                    name: Plan.addressesOfAMD, need: UInt64(hidden), limit: 0,
                    condition: host.iommu == .amd
                        ? nil : "with an IOMMU of AMD, which keeps 0xfd00000000 to 0xffffffffff"))
        }
        return budgets
    }

    /// Makes the budgets of DMA to and from real functions. Each piece of a BAR that other functions reach takes a mapping, and
    /// an IOMMU must have the addresses.
    private static func realFunctionBudgets(_ layout: Layout, _ placed: PlacedLayout) -> [Budget] {
        let real = layout.realFunctions
        guard !real.isEmpty else { return [] }
        let pieces = placed.mapped.filter { real.contains($0.owner.function) && $0.owner.register != .rom }
        let highest = (placed.ram + pieces.map(\.range)).map(\.last.rawValue).max() ?? 0
        return [
            Budget(
                name: "peer-to-peer DMA mappings", need: real.count > 1 ? UInt64(pieces.count) : 0,
                limit: Limit.dmaMappings - UInt64(placed.ram.count)),
            Budget(
                name: "IOMMU address width", need: highest, limit: 1 << 39 - 1, unit: .address,
                condition: "with an IOMMU of 39 bits; BARs above are not reached by other functions, RAM is refused"),
        ]
    }

    /// Returns the number of areas of host address space (`vm.max_map_count`). Each mapped piece takes one. With coalesced
    /// slots, each piece in a window takes another one, and so does the free space after each run of mappings.
    private static func areas(_ slots: Slots, _ policy: SlotPolicy) -> UInt64 {
        let pieces = slots.planned.slots.reduce(0) { $0 + $1.mappings }
        guard policy == .coalesced else { return UInt64(pieces) }
        let inWindows = slots.planned.slots.filter { $0.range.size < Placement.windowThreshold || $0.mappings > 1 }
        return UInt64(pieces + inWindows.reduce(0) { $0 + $1.mappings } + inWindows.count)
    }

    private static func addressBudgets(
        _ placed: PlacedLayout, _ windows: Windows, _ host: PlanningHost
    ) -> [Budget] {
        let (apertures, limits) = (placed.apertures, placed.boardApertures)
        func last(_ isIn: (UInt64) -> Bool) -> AddressAssignment? {
            let ends = [placed.assignments.last { isIn($0.base) }] + placed.windows.filter { isIn($0.base) }
            return ends.compactMap(\.self).max { $0.base + $0.size < $1.base + $1.size }
        }
        let low = last { $0 <= apertures.low.last.rawValue }
        let high = last { $0 > apertures.low.last.rawValue }
        func sum(_ isIn: (UInt64) -> Bool) -> UInt64 {
            placed.assignments.reduce(0) { isIn($1.base) ? $0 &+ $1.size : $0 }
        }
        func used(_ assignment: AddressAssignment?, _ aperture: GuestRange?) -> UInt64 {
            guard let assignment, let aperture else { return 0 }
            return assignment.base - aperture.first.rawValue + assignment.size
        }
        let (lowUsed, highUsed) = (used(low, apertures.low), used(high, apertures.high))
        // The beginning of the aperture in which the highest range lies, or would lie if there were room.
        let start = highUsed > 0 ? limits.high?.first.rawValue ?? 0 : limits.low.first.rawValue
        let (end, overflow) = start.addingReportingOverflow(highUsed > 0 ? highUsed : lowUsed)
        return [
            Budget(
                name: "32-bit aperture", need: lowUsed, limit: limits.low.size, unit: .bytes,
                sum: sum { $0 <= apertures.low.last.rawValue }),
            Budget(
                name: "64-bit aperture", need: highUsed, limit: limits.high?.size ?? 0, unit: .bytes,
                sum: sum { $0 > apertures.low.last.rawValue }),
            Budget(
                name: "highest guest address", need: overflow ? .max : end == start ? 0 : end - 1,
                limit: 1 << UInt64(host.physicalAddressBits) - 1, unit: .address),
            Budget(name: "I/O ports", need: windows.need[2], limit: UInt64(limits.ports.count)),
        ]
    }
}

extension Layout {
    /// The functions that were captured from real devices.
    fileprivate var realFunctions: Set<FunctionAddress> {
        Set(functions.filter { $0.record != nil }.map(\.address))
    }
}

extension FunctionDescription {
    /// The number of the function's own interrupts: its MSI-X vectors, or its MSI vectors.
    fileprivate var vectors: UInt64 {
        UInt64(msix?.vectors ?? msiVectors ?? 0)
    }
}
