public import Machine
public import Memslots

/// Does random operations on KVM, predicts each verdict by the rules, and shrinks a divergence to the smallest trace.
public struct FuzzRun: Experiment {
    private let seed: UInt64
    private let operations: Int?
    private let limit: Duration?

    /// The number of operations on one machine. They are enough to fill it, and few enough to be repeated while a trace is
    /// shrunk.
    static let operationsOfMachine = 5000

    /// Describes a run that does so many operations, or as many as the time allows, until KVM and the rules diverge.
    public init(seed: UInt64, operations: Int?, limit: Duration? = nil) {
        self.seed = seed
        self.operations = operations
        self.limit = limit
    }

    public func run(_ observer: inout Observer) throws(MachineError) -> FuzzResult {
        try run(&observer, predict: SlotVerdict.init, makeTarget: BareMachine.forFuzzing)
    }

    /// Does the operations of a trace again.
    public static func replay(_ trace: FuzzTrace) throws(MachineError) -> FuzzResult {
        var result = FuzzResult(seed: trace.seed)
        var session = FuzzSession(try BareMachine.forFuzzing(), predict: SlotVerdict.init)
        result.seconds = try measure { () throws(MachineError) in
            for operation in trace.operations where result.divergence == nil {
                result.divergence = try session.divergence(at: operation)
                result.operations += 1
            }
        }.inSeconds
        result.count(session)
        if result.divergence != nil { result.operationList = trace.operations }
        return result
    }

    func run<Target: FuzzTarget & ~Copyable>(
        _ observer: inout Observer, predict: @escaping SlotVerdict.Predict,
        makeTarget: () throws(MachineError) -> Target
    ) throws(MachineError) -> FuzzResult {
        var result = FuzzResult(seed: seed)
        observer.begin("fuzzing", total: operations, limit: limit)
        let start = SuspendingClock.now
        var machine: UInt64 = 0
        while result.operations < operations ?? .max, result.ok, observer.goesOn(result.operations) {
            let count = min(Self.operationsOfMachine, (operations ?? .max) - result.operations)
            var session = FuzzSession(try makeTarget(), predict: predict)
            let found = try Self.run(&session, count: count, seed: seed &+ machine, &result, &observer)
            result.count(session)
            result.seconds = (SuspendingClock.now - start).inSeconds
            machine += 1
            guard let found else { continue }
            let smallest = try Self.shrunk(found.operations, divergence: found.divergence) {
                () throws(MachineError) in
                FuzzSession(try makeTarget(), predict: predict)
            }
            (result.operationList, result.divergence) = (smallest.operations, smallest.divergence)
        }
        result.interrupted = observer.hasInterrupted
        return result
    }

    /// Does random operations on one machine.
    ///
    /// - Returns: The operations up to a divergence and the divergence in words, or nil where there is none.
    private static func run<Target: FuzzTarget & ~Copyable>(
        _ session: inout FuzzSession<Target>, count: Int, seed: UInt64, _ result: inout FuzzResult,
        _ observer: inout Observer
    ) throws(MachineError) -> (operations: [FuzzOperation], divergence: String)? {
        var random = RandomOperations(
            seed: seed, base: session.base, limits: session.table.limits,
            missingAddressSpace: session.missingAddressSpace)
        var done: [FuzzOperation] = []
        done.reserveCapacity(count)
        for number in 0..<count {
            if number % 64 == 0, !observer.goesOn(result.operations) { return nil }
            let operation = random.next(on: session.table)
            done.append(operation)
            result.operations += 1
            if let divergence = try session.divergence(at: operation) { return (done, divergence) }
        }
        return nil
    }

    /// Finds the smallest trace that still diverges.
    private static func shrunk<Target: FuzzTarget & ~Copyable>(
        _ operations: [FuzzOperation], divergence first: String,
        _ makeSession: () throws(MachineError) -> FuzzSession<Target>
    ) throws(MachineError) -> (operations: [FuzzOperation], divergence: String) {
        func divergence(of operations: [FuzzOperation]) throws(MachineError) -> String? {
            var session = try makeSession()
            for operation in operations {
                if let divergence = try session.divergence(at: operation) { return divergence }
            }
            return nil
        }
        let smallest = try shrink(operations, simpler: \.simpler) { operations throws(MachineError) in
            try divergence(of: operations) != nil
        }
        return (smallest, try divergence(of: smallest) ?? "\(first) (not seen again when it was repeated)")
    }
}

/// The result of a `FuzzRun`.
public struct FuzzResult: ExperimentResult {
    public private(set) var schema = 1
    public let seed: UInt64
    public internal(set) var operations = 0
    public internal(set) var accepted = 0
    /// The number of refused requests for each rule that they broke.
    public internal(set) var refusals: [SlotRule: Int] = [:]
    /// The number of reads by the guest.
    public internal(set) var reads = 0
    public private(set) var divergences = 0
    /// The first divergence, in words: what was predicted and what was seen.
    public internal(set) var divergence: String? {
        didSet { (divergences, ok) = (divergence == nil ? 0 : 1, divergence == nil) }
    }
    /// The operations that lead to the divergence, shrunk to as few as possible.
    public internal(set) var operationList: [FuzzOperation]?
    /// The file that these operations are saved in.
    public var trace: String?
    public internal(set) var seconds = 0.0
    public internal(set) var interrupted = false
    public private(set) var ok = true

    public var problem: String? { divergence.map { "KVM and the rules diverge: \($0)" } }

    mutating func count<Target: FuzzTarget & ~Copyable>(_ session: borrowing FuzzSession<Target>) {
        accepted += session.accepted
        refusals.merge(session.refusals, uniquingKeysWith: +)
        reads += session.reads
    }

    /// The trace that can be saved and replayed; nil where there is no divergence.
    public var smallestTrace: FuzzTrace? {
        divergence.map { FuzzTrace(seed: seed, divergence: $0, operations: operationList ?? []) }
    }
}

extension FuzzOperation {
    /// Variants of the operation in which one number is easier to read.
    fileprivate var simpler: [FuzzOperation] {
        guard case .request(let request) = self else { return [] }
        var variants: [FuzzRequest] = []
        func vary(_ change: (inout FuzzRequest) -> Void) {
            var variant = request
            change(&variant)
            // A variant is always simpler, so that shrinking comes to an end.
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
