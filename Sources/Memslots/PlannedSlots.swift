/// The slots that mappings would take. They are planned as for KVM, but nothing is asked of KVM.
public struct PlannedSlots: Sendable {
    /// A slot, and the number of mappings that share it.
    public struct Slot: Hashable, Sendable {
        /// The guest-physical addresses.
        public let range: GuestRange
        /// The number of mappings that share the slot.
        public let mappings: Int
    }

    /// The planned slots, by address.
    public let slots: [Slot]

    /// Plans the slots of mappings. Under `.coalesced`, mappings in an aperture share slots as they do in an `AddressSpace` with a
    /// window for that aperture.
    ///
    /// - Parameters:
    ///   - mappings: The mappings, by address. They do not overlap.
    ///   - policy: The policy by which mappings become slots.
    ///   - apertures: The ranges that windows would mirror.
    public init(_ mappings: [Mapping], policy: SlotPolicy, apertures: [GuestRange]) {
        // The host addresses need not be real: the window of an aperture has the aperture's own addresses.
        let windows = apertures.map { HostWindow(aperture: $0, host: $0.first.rawValue) }
        let placement = Placement(backings: [0], windows: windows)
        var slots: [Slot] = []
        slots.reserveCapacity(mappings.count)
        var wanted: [WantedSlot] = []
        var shared = 0
        for mapping in mappings {
            wanted.append(placement.place(mapping, policy: policy))
            if wanted.count > 1 {
                slots.append(Slot(range: wanted.removeFirst().range, mappings: shared))
                shared = 0
            }
            shared += 1
        }
        if let last = wanted.first { slots.append(Slot(range: last.range, mappings: shared)) }
        self.slots = slots
    }

    /// The number of planned slots.
    public var count: Int { slots.count }

    /// Returns the bytes of kernel memory that the slots take.
    public func kernelBytes(_ mmu: Footprint.MMU) -> UInt64 {
        slots.reduce(0) { $0 &+ Footprint.kernelBytes(pages: $1.range.pages, mmu: mmu) }
    }
}
