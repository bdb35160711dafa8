/// The slots that mappings would take, planned as for KVM but with nothing asked of it.
public struct PlannedSlots: Sendable {
    /// A slot, and how many of the mappings share it.
    public struct Slot: Hashable, Sendable {
        public let range: GuestRange
        public let mappings: Int
    }

    /// By address.
    public let slots: [Slot]

    /// Plans `mappings`, which come by address and do not overlap. Under `.coalesced` those that lie in one of the
    /// apertures, each mirrored by a host window, share slots where `AddressSpace` would let them.
    public init(_ mappings: [Mapping], policy: SlotPolicy, apertures: [GuestRange]) {
        // The host addresses need not be real: an aperture's mirror is the aperture itself.
        let windows = apertures.map { HostWindow(aperture: $0, host: $0.first.rawValue) }
        let placement = Placement(backings: [0], windows: windows)
        var slots: [Slot] = []
        slots.reserveCapacity(mappings.count)
        var run: [SlotPlanner.Run] = []
        var shared = 0
        for mapping in mappings {
            SlotPlanner.append(placement.place(mapping, policy: policy), to: &run)
            if run.count > 1 {
                slots.append(Slot(range: run.removeFirst().range, mappings: shared))
                shared = 0
            }
            shared += 1
        }
        if let last = run.first {
            slots.append(Slot(range: last.range, mappings: shared))
        }
        self.slots = slots
    }

    public var count: Int { slots.count }

    /// Bytes that the slots take in the kernel.
    public func kernelBytes(_ mmu: Footprint.MMU) -> UInt64 {
        slots.reduce(0) { $0 &+ Footprint.kernelBytes(pages: $1.range.pages, mmu: mmu) }
    }
}
