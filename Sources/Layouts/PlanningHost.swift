public import Memslots

/// The host for which a plan is made: its limits, and the costs of changes of slots.
public struct PlanningHost: Hashable, Sendable {
    /// The number of user slots of KVM.
    public var slots = 32764
    /// The width of physical addresses, in bits.
    public var physicalAddressBits = 48
    /// The number of areas of a process's address space (`vm.max_map_count`).
    public var mappedAreas = 65530
    /// The number of descriptors that a process may have open (RLIMIT_NOFILE, the soft limit).
    public var openFiles = 1024
    /// The bytes that a process may pin (RLIMIT_MEMLOCK, the soft limit). Nil if there is no limit, or none is known.
    public var lockedMemory: UInt64?
    /// The bytes that the control group of the monitor may use, including kernel memory. Nil if there is no limit, or none is
    /// known.
    public var controlGroupMemory: UInt64?
    /// The way in which KVM translates guest-physical addresses.
    public var mmu = Footprint.MMU.tdp
    /// The size of a page in bytes, a power of two from 4 KiB on.
    public var pageSize = Page.size
    /// The IOMMU, for the addresses that it keeps for itself.
    public var iommu = IOMMU.none
    /// The costs of changes of slots.
    public var costs = EditCosts()

    /// The kind of IOMMU. Some keep guest-physical addresses for themselves, which VFIO does not map.
    public enum IOMMU: String, CaseIterable, Sendable {
        /// No IOMMU, or one of Intel's: neither keeps addresses above 4 GiB.
        case none, intel
        /// An IOMMU of AMD's.
        case amd

        /// The addresses above 4 GiB that the IOMMU keeps. With AMD's processors, the last 12 GiB below 1 TiB belong to
        /// HyperTransport (`drivers/iommu/amd/iommu.c`). Both vendors' IOMMUs also keep 0xfee00000 to 0xfeefffff for
        /// interrupts, where no BAR can be anyway.
        public var reserved: [GuestRange] {
            let first = GuestAddress(0xfd_0000_0000)
            return self == .amd ? [GuestRange(first: first, last: GuestAddress(0xff_ffff_ffff))].compactMap { $0 } : []
        }
    }

    /// The costs of one change of a slot.
    ///
    /// The default figures were measured in plain C with a shadow MMU and no vCPU running. A slot of 64 GiB, for which KVM
    /// keeps 157 MiB, took 11.5 ms.
    public struct EditCosts: Hashable, Sendable {
        /// The time to create a slot of one page.
        public var createMicroseconds = 6.0
        /// The time to delete a slot of one page.
        public var deleteMicroseconds = 5.0
        /// The additional time for each MiB that KVM keeps about a slot's pages, beyond what it keeps for a slot of one page.
        public var microsecondsPerMiB = 70.0
    }

    /// Makes a host with the usual limits.
    public init() {}

    /// The widths of addresses with which there is room above 4 GiB, and which x86-64 can have.
    public static let addressBits = 36...52
}
