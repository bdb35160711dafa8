internal import Host
public import Machine
public import Memslots

/// Fills a virtual machine with slots of a page up to KVM's limit, sees the next one refused, and deletes all.
///
/// Each slot is a transaction of its own; no vCPU runs.
public struct FillRun: Sendable {
    /// How KVM refused the slot behind the last one, and the rule that predicted it.
    public struct Refusal: Sendable {
        /// Nil where KVM accepted it.
        public let errno: SlotErrno?
        public let rule: SlotRule

        public var isAsPredicted: Bool { errno == rule.errno }
    }

    public private(set) var created = 0
    public let limit: Int
    /// Nil where the machine was not filled up to the limit.
    public private(set) var refusal: Refusal?
    /// By the number of slots that there were, each.
    public private(set) var adds = Latencies()
    public private(set) var deletes = Latencies()
    public private(set) var addTime = Duration.zero
    public private(set) var deleteTime = Duration.zero
    /// What the slots take in the kernel, as predicted and as VmallocUsed grew, in bytes.
    public private(set) var predictedKernelBytes: UInt64 = 0
    public private(set) var measuredKernelBytes: UInt64 = 0
    /// What the table takes in this process when it is full.
    public private(set) var tableBytes = 0
    public private(set) var isInterrupted = false
    private let wanted: Int
    private var isEmptyAtTheEnd = false

    /// Creates `slots` slots, or as many as KVM has.
    public init(slots: Int? = nil, mayExhaustHost: Bool = false, observer: inout Observer) throws(MachineError) {
        let limit = try BareMachine(memory: Page.size).limits.userSlots
        if let slots, !(1...limit).contains(slots) {
            throw .configuration("\(slots) slots: this host's KVM has 1 to \(limit) (KVM_CAP_NR_MEMSLOTS)")
        }
        self.limit = limit
        let wanted = slots ?? limit
        self.wanted = wanted
        if !mayExhaustHost {
            try Footprint.checkHostMemory { UInt64(wanted) * Footprint.kernelBytes(pages: 1, mmu: $0) }
        }
        var machine = try BareMachine(memory: UInt64(wanted) * Page.size)
        var space = AddressSpace(limits: machine.limits, policy: .separate, placement: machine.placement)
        adds.reserveCapacity(wanted)
        deletes.reserveCapacity(wanted)

        let before = try Self.vmallocUsed()
        try add(to: &space, of: &machine, &observer)
        let after = try Self.vmallocUsed()
        measuredKernelBytes = after - min(before, after)
        predictedKernelBytes = Footprint.kernelBytes(of: space.table, mmu: .ofHost)
        tableBytes = space.table.byteSize
        if created == limit {
            refusal = Self.refusal(behind: space.table, of: machine)
        }
        try delete(from: &space, of: &machine, &observer)
        isEmptyAtTheEnd = space.table.count == 0
        isInterrupted = observer.hasInterrupted
    }

    /// Whether all slots were there, the next one was refused as predicted, and all went.
    public var isOK: Bool {
        created == wanted && isEmptyAtTheEnd && refusal?.isAsPredicted ?? (created < limit)
    }

    private mutating func add(
        to space: inout AddressSpace, of machine: inout BareMachine, _ observer: inout Observer
    ) throws(MachineError) {
        observer.begin("adding slots", total: wanted)
        while created < wanted, observer.goesOn(created) {
            let mapping = Mapping(
                range: Self.range(created), backing: Backing(offset: UInt64(created) * Page.size),
                owner: .other(created))
            let time = try change(&space, of: &machine, adding: [mapping])
            adds.append(time)
            addTime += time
            created += 1
        }
    }

    private mutating func delete(
        from space: inout AddressSpace, of machine: inout BareMachine, _ observer: inout Observer
    ) throws(MachineError) {
        observer.begin("deleting slots", total: created)
        for number in (0..<created).reversed() {
            // The end of the process deletes what an interruption leaves.
            guard observer.goesOn(created - number) else { return }
            let time = try change(&space, of: &machine, removing: [Self.range(number)])
            deletes.append(time)
            deleteTime += time
        }
    }

    private func change(
        _ space: inout AddressSpace, of machine: inout BareMachine, removing: [GuestRange] = [],
        adding: [Mapping] = []
    ) throws(MachineError) -> Duration {
        do throws(AddressSpaceError) {
            return try measure { () throws(AddressSpaceError) in
                try space.change(removing: removing, adding: adding, through: &machine)
            }
        } catch {
            throw .memory(error)
        }
    }

    /// Asks KVM for one slot more: with the next id, in a place that is free.
    private static func refusal(behind table: MemslotTable, of machine: borrowing BareMachine) -> Refusal? {
        let request = SlotRequest(
            slot: UInt32(table.limit), guestAddress: range(table.count).first.rawValue, size: Page.size,
            hostAddress: machine.placement.backings[0])
        do throws(SlotViolation) {
            _ = try table.change(for: request)
            return nil
        } catch {
            do throws(SlotErrno) {
                try machine.set(request)
                return Refusal(errno: nil, rule: error.rule)
            } catch let errno {
                return Refusal(errno: errno, rule: error.rule)
            }
        }
    }

    /// Every other page, so that no two slots touch.
    private static func range(_ number: Int) -> GuestRange {
        guard let range = GuestRange(first: GuestAddress(UInt64(number) << 13), size: Page.size) else {
            preconditionFailure("slot \(number) lies below 1 GiB")
        }
        return range
    }

    private static func vmallocUsed() throws(MachineError) -> UInt64 {
        do { return try KernelFigures.ofHost().bytes("VmallocUsed") ?? 0 } catch { throw .host(error) }
    }
}
