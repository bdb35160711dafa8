/// The host for which one plans: its limits, and what changes of slots cost there.
public struct PlanningHost: Hashable, Sendable {
    /// User slots of KVM.
    public var slots: Int
    public var physicalAddressBits: Int
    /// `vm.max_map_count`.
    public var mappedAreas: Int
    /// Descriptors that a process may have open (RLIMIT_NOFILE, the soft limit).
    public var openFiles: Int
    public var costs: EditCosts

    /// What one change of a slot costs.
    public struct EditCosts: Hashable, Sendable {
        /// Of a slot of a page.
        public var createMicroseconds: Double
        public var deleteMicroseconds: Double
        /// For what KVM keeps about a slot's pages, beyond those of a slot of one page.
        public var microsecondsPerMiB: Double

        public init(createMicroseconds: Double, deleteMicroseconds: Double, microsecondsPerMiB: Double = 70) {
            self.createMicroseconds = createMicroseconds
            self.deleteMicroseconds = deleteMicroseconds
            self.microsecondsPerMiB = microsecondsPerMiB
        }

        /// Measured in plain C with a shadow MMU and no vCPU running; one of 64 GiB with its 157 MiB took 11.5 ms.
        public static let usual = EditCosts(createMicroseconds: 6, deleteMicroseconds: 5)
    }

    public init(
        slots: Int = 32764, physicalAddressBits: Int = 48, mappedAreas: Int = 65530, openFiles: Int = 1024,
        costs: EditCosts = .usual
    ) {
        self.slots = slots
        self.physicalAddressBits = physicalAddressBits
        self.mappedAreas = mappedAreas
        self.openFiles = openFiles
        self.costs = costs
    }

    /// Address bits with which there is room above 4 GiB, and which x86-64 can have.
    public static let addressBits = 36...52
}
