/// The host for which one plans: its limits, and what changes of slots cost there.
public struct PlanningHost: Hashable, Sendable {
    /// User slots of KVM.
    public var slots = 32764
    public var physicalAddressBits = 48
    /// `vm.max_map_count`.
    public var mappedAreas = 65530
    /// Descriptors that a process may have open (RLIMIT_NOFILE, the soft limit).
    public var openFiles = 1024
    public var costs = EditCosts()

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
