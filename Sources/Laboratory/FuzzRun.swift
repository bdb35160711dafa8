public import Machine
public import Memslots

/// Random operations against KVM, each verdict predicted by the rules; a divergence is shrunk to the smallest trace.
public struct FuzzRun: Sendable {
    public let seed: UInt64
    public private(set) var operations = 0
    public private(set) var accepted = 0
    /// By the rule that was broken.
    public private(set) var refusals: [SlotRule: Int] = [:]
    /// Reads of the guest.
    public private(set) var looks = 0
    public private(set) var duration = Duration.zero
    /// The first divergence, as small as it could be made.
    public private(set) var trace: FuzzTrace?
    public private(set) var isInterrupted = false

    /// Operations on one machine: enough to fill it, and few enough to be done again and again while a trace is shrunk.
    static let operationsOfMachine = 5000

    /// Does so many operations, or as many as the time allows, until KVM and the rules diverge.
    public init(
        seed: UInt64, operations: Int?, limit: Duration? = nil, observer: inout Observer
    ) throws(MachineError) {
        try self.init(
            seed: seed, operations: operations, limit: limit, observer: &observer, predict: SlotVerdict.init,
            makeTarget: BareMachine.forFuzzing)
    }

    /// Does a trace again.
    public init(replaying trace: FuzzTrace) throws(MachineError) {
        seed = trace.seed
        var session = FuzzSession(try BareMachine.forFuzzing(), predict: SlotVerdict.init)
        var divergence: String?
        duration = try measure { () throws(MachineError) in
            for operation in trace.operations where divergence == nil {
                divergence = try session.divergence(at: operation)
                operations += 1
            }
        }
        count(session)
        if let divergence {
            self.trace = FuzzTrace(seed: seed, divergence: divergence, operations: trace.operations)
        }
    }

    public var isOK: Bool { trace == nil }

    init<Target: FuzzTarget & ~Copyable>(
        seed: UInt64, operations: Int?, limit: Duration? = nil, observer: inout Observer,
        predict: @escaping SlotVerdict.Predict, makeTarget: () throws(MachineError) -> Target
    ) throws(MachineError) {
        self.seed = seed
        observer.begin("fuzzing", total: operations, limit: limit)
        let start = SuspendingClock.now
        var machine: UInt64 = 0
        while self.operations < operations ?? .max, trace == nil, observer.goesOn(self.operations) {
            let count = min(Self.operationsOfMachine, (operations ?? .max) - self.operations)
            var session = FuzzSession(try makeTarget(), predict: predict)
            let found = try run(&session, count: count, seed: seed &+ machine, &observer)
            self.count(session)
            machine += 1
            guard let found else { continue }
            duration = SuspendingClock.now - start
            trace = try Self.shrunk(found.operations, seed: seed, divergence: found.divergence) {
                () throws(MachineError) in
                FuzzSession(try makeTarget(), predict: predict)
            }
        }
        if trace == nil { duration = SuspendingClock.now - start }
        isInterrupted = observer.hasInterrupted
    }

    /// Does random operations on one machine; those up to a divergence, and what it is, or nil where there is none.
    private mutating func run<Target: FuzzTarget & ~Copyable>(
        _ session: inout FuzzSession<Target>, count: Int, seed: UInt64, _ observer: inout Observer
    ) throws(MachineError) -> (operations: [FuzzOperation], divergence: String)? {
        var random = RandomOperations(
            seed: seed, base: session.base, limits: session.table.limits,
            missingAddressSpace: session.missingAddressSpace)
        var done: [FuzzOperation] = []
        done.reserveCapacity(count)
        for number in 0..<count {
            if number % 64 == 0, !observer.goesOn(operations) { return nil }
            let operation = random.next(on: session.table)
            done.append(operation)
            operations += 1
            if let divergence = try session.divergence(at: operation) { return (done, divergence) }
        }
        return nil
    }

    private mutating func count<Target: FuzzTarget & ~Copyable>(_ session: borrowing FuzzSession<Target>) {
        accepted += session.accepted
        refusals.merge(session.refusals, uniquingKeysWith: +)
        looks += session.looks
    }

    /// The smallest trace that still diverges.
    private static func shrunk<Target: FuzzTarget & ~Copyable>(
        _ operations: [FuzzOperation], seed: UInt64, divergence first: String,
        _ makeSession: () throws(MachineError) -> FuzzSession<Target>
    ) throws(MachineError) -> FuzzTrace {
        func divergence(of operations: [FuzzOperation]) throws(MachineError) -> String? {
            var session = try makeSession()
            for operation in operations {
                if let divergence = try session.divergence(at: operation) { return divergence }
            }
            return nil
        }
        do {
            let smallest = try shrink(operations, simpler: \.simpler) { try divergence(of: $0) != nil }
            let words = try divergence(of: smallest) ?? "\(first) (not seen again when it was repeated)"
            return FuzzTrace(seed: seed, divergence: words, operations: smallest)
        } catch let error as MachineError {
            throw error
        } catch {
            preconditionFailure("shrinking throws what machines throw, not \(error)")
        }
    }
}

extension FuzzOperation {
    /// The same with one number that is easier to read.
    fileprivate var simpler: [FuzzOperation] {
        guard case .request(let request) = self else { return [] }
        var variants: [FuzzRequest] = []
        func vary(_ change: (inout FuzzRequest) -> Void) {
            var variant = request
            change(&variant)
            // Only towards the simpler: what shrinks has to come to an end.
            if variant != request { variants.append(variant) }
        }
        if request.flags != 0 { vary { $0.flags = 0 } }
        if request.host != .memory(0) { vary { $0.host = .memory(0) } }
        if request.slot != 0 { vary { $0.slot = 0 } }
        if request.guestAddress != 0 {
            vary { $0.guestAddress = 0 }
            if request.guestAddress > Page.size { vary { $0.guestAddress = Page.size } }
        }
        if request.size > Page.size { vary { $0.size = Page.size } }
        return variants.map(FuzzOperation.request)
    }
}
