public import Memslots

/// The host for which one plans: its limits, and what changes of slots cost there.
public struct PlanningHost: Hashable, Sendable {
    /// User slots of KVM.
    public var slots = 32764
    public var physicalAddressBits = 48
    /// `vm.max_map_count`.
    public var mappedAreas = 65530
    /// Descriptors that a process may have open (RLIMIT_NOFILE, the soft limit).
    public var openFiles = 1024
    /// Bytes that a process may pin (RLIMIT_MEMLOCK, the soft limit); nil where there is no limit, or none is known.
    public var lockedMemory: UInt64?
    /// Bytes that the control group of the monitor may use, kernel memory with them; nil as above.
    public var controlGroupMemory: UInt64?
    /// The way in which its KVM translates addresses.
    public var mmu = Footprint.MMU.tdp
    /// The size of a page, a power of two from 4 KiB on, in bytes.
    public var pageSize = Page.size
    public var iommu = IOMMU.none
    public var costs = EditCosts()

    /// The IOMMUs that keep guest-physical addresses for themselves, which VFIO does not map.
    public enum IOMMU: String, CaseIterable, Sendable {
        case none, intel, amd

        /// What it keeps above 4 GiB: with AMD's processors the last 12 GiB below 1 TiB are HyperTransport's
        /// (`drivers/iommu/amd/iommu.c`). Both keep 0xfee00000 to 0xfeefffff for interrupts, where no BAR can be anyway.
        public var reserved: [GuestRange] {
            let first = GuestAddress(0xfd_0000_0000)
            return self == .amd ? [GuestRange(first: first, last: GuestAddress(0xff_ffff_ffff))].compactMap { $0 } : []
        }
    }

    /// What one change of a slot costs.
    ///
    /// Without other figures: measured in plain C with a shadow MMU and no vCPU running. A slot of 64 GiB, for which KVM keeps
    /// 157 MiB, took 11.5 ms.
    public struct EditCosts: Hashable, Sendable {
        /// Of a slot of a page.
        public var createMicroseconds = 6.0
        public var deleteMicroseconds = 5.0
        /// For what KVM keeps about a slot's pages, beyond those of a slot of one page.
        public var microsecondsPerMiB = 70.0
    }

    /// The usual limits of a host.
    public init() {}

    /// Address bits with which there is room above 4 GiB, and which x86-64 can have.
    public static let addressBits = 36...52
}
