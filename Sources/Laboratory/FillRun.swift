public import Machine
public import Memslots

/// An experiment that fills a virtual machine with one-page slots up to KVM's limit, expects KVM to refuse the next slot, and
/// deletes all slots.
///
/// Each create and each delete is a transaction of its own. No vCPU runs.
public enum FillRun {
    /// Creates `slots` slots, or as many as KVM offers, and deletes them.
    public static func run(
        _ observer: inout Observer, slots: Int? = nil, mayExhaustHost: Bool = false
    ) throws(MachineError) -> FillResult {
        let limit = try BareMachine(memory: Page.size).limits.userSlots
        let wanted = slots ?? limit
        guard (1...limit).contains(wanted) else {
            throw .experiment("\(wanted) slots: this host's KVM has 1 to \(limit) (KVM_CAP_NR_MEMSLOTS)")
        }
        if !mayExhaustHost {
            try Footprint.checkHostMemory { UInt64(wanted) * Footprint.kernelBytes(pages: 1, mmu: $0) }
        }
        var machine = try BareMachine(memory: UInt64(wanted) * Page.size)
        var space = AddressSpace(limits: machine.limits, policy: .separate, placement: machine.placement)
        var (adds, deletes) = (Latencies(), Latencies())

        let before = try KernelBytes.used()
        observer.begin("adding slots", total: wanted)
        while adds.count < wanted, observer.goesOn(adds.count) {
            let backing = Backing(offset: UInt64(adds.count) * Page.size)
            let mapping = Mapping(range: Self.range(adds.count), backing: backing, owner: .other(adds.count))
            adds.append(try Self.change(&space, of: &machine, adding: [mapping]))
        }
        let kernelBytes = try KernelBytes(
            predicted: Footprint.kernelBytes(of: space.table, mmu: .ofHost), since: before)
        let tableBytes = space.table.byteSize
        let refused = adds.count == limit ? Self.refusal(behind: space.table, of: machine) : nil

        observer.begin("deleting slots", total: adds.count)
        // If the observer interrupts this loop, the rest of the slots is deleted with the process.
        while deletes.count < adds.count, observer.goesOn(deletes.count) {
            let range = Self.range(adds.count - 1 - deletes.count)
            deletes.append(try Self.change(&space, of: &machine, removing: [range]))
        }
        return FillResult(
            created: adds.count, limit: limit, refused: refused, addSeconds: adds.seconds,
            deleteSeconds: deletes.seconds, addMicroseconds: adds.summary, deleteMicroseconds: deletes.summary,
            kernelBytes: kernelBytes, tableBytes: tableBytes, interrupted: observer.hasInterrupted,
            ok: adds.count == wanted && space.table.count == 0 && refused?.isAsPredicted ?? (adds.count < limit))
    }

    private static func change(
        _ space: inout AddressSpace, of machine: inout BareMachine, removing: [GuestRange] = [],
        adding: [Mapping] = []
    ) throws(MachineError) -> Duration {
        do throws(AddressSpaceError) {
            return try measure { () throws(AddressSpaceError) in
                try space.change(removing: removing, adding: adding, through: &machine.installer)
            }
        } catch {
            throw .memory(error)
        }
    }

    /// Asks KVM for one more slot, with the next id and in a free place.
    ///
    /// - Returns: KVM's answer. Nil if the rules predict that KVM accepts the slot.
    private static func refusal(
        behind table: MemslotTable, of machine: borrowing BareMachine
    ) -> FillResult.Refusal? {
        let request = SlotRequest(
            slot: UInt32(table.limit), guestAddress: range(table.count).first.rawValue, size: Page.size,
            hostAddress: machine.placement.backings[0])
        guard case .refused(let rule) = SlotVerdict(of: table, on: request) else { return nil }
        var errno: SlotErrno?
        do { try machine.installer.set(request) } catch { errno = error }
        return FillResult.Refusal(errno: errno.map { "\($0)" }, rule: rule)
    }

    /// Returns the range of a slot. The slots lie on every other page, so that no two touch.
    private static func range(_ number: Int) -> GuestRange { .page(at: UInt64(number) << 13) }
}

/// The result of a `FillRun`.
public struct FillResult: ExperimentResult {
    /// KVM's answer to the request for one slot too many.
    public struct Refusal: Codable, Sendable {
        /// The name of the errno. Nil if KVM accepted the slot.
        public let errno: String?
        /// The rule that predicts the refusal.
        public let rule: SlotRule

        /// Whether KVM refused the slot with the errno that the rule predicts.
        public var isAsPredicted: Bool { errno == "\(rule.errno)" }
    }

    public private(set) var schema = 1
    /// The number of slots that were created.
    public let created: Int
    /// The number of user slots that KVM offers.
    public let limit: Int
    /// The refusal of one slot more than the limit. Nil if the machine was not filled up to the limit.
    public let refused: Refusal?
    /// The sum of the times of all creates.
    public let addSeconds: Double
    /// The sum of the times of all deletes.
    public let deleteSeconds: Double
    /// The latencies of creates.
    public let addMicroseconds: LatencySummary?
    /// The latencies of deletes.
    public let deleteMicroseconds: LatencySummary?
    /// The kernel memory that the slots take.
    public let kernelBytes: KernelBytes
    /// The size of the slot table in this process while all slots exist.
    public let tableBytes: Int
    public let interrupted: Bool
    public let ok: Bool

    public var problem: String? { ok ? nil : "the slots did not behave as the rules predict" }
}
