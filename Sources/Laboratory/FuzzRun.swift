public import Machine
public import Memslots
internal import SeededRandom

/// An experiment that does random operations on KVM and predicts each verdict by the rules. It shrinks a divergence to the
/// smallest trace.
public enum FuzzRun {
    /// The number of operations on one machine. They are enough to fill the machine, and few enough to be repeated while a
    /// trace is shrunk.
    static let operationsOfMachine = 5000

    /// Does at most `operations` operations, for at most the duration `limit`, until KVM and the rules diverge.
    ///
    /// - Parameter record: Gets each operation with KVM's answer. `FuzzComparison` compares such a record with the answers of
    ///   another kernel.
    public static func run(
        _ observer: inout Observer, seed: UInt64, operations: Int?, limit: Duration? = nil,
        record: (FuzzRecordLine) throws(MachineError) -> Void = { _ in }
    ) throws(MachineError) -> FuzzResult {
        try run(
            &observer, seed: seed, operations: operations, limit: limit, predict: SlotVerdict.init, record: record,
            makeTarget: BareMachine.forFuzzing)
    }

    /// Does the operations of a trace again.
    public static func replay(_ observer: inout Observer, _ trace: FuzzTrace) throws(MachineError) -> FuzzResult {
        var result = FuzzResult(seed: trace.seed)
        var session = FuzzSession(try BareMachine.forFuzzing(trace.features ?? []), predict: SlotVerdict.init)
        if let missing = trace.features?.subtracting(session.target.features).first {
            throw .experiment("the trace needs \(missing.words), which this host's KVM does not have")
        }
        observer.begin("replaying", total: trace.operations.count)
        let start = SuspendingClock.now
        for operation in trace.operations where result.divergence == nil && observer.goesOn(result.operations) {
            result.divergence = try session.divergence(at: operation)
            result.operations += 1
        }
        (result.seconds, result.interrupted) = ((SuspendingClock.now - start).inSeconds, observer.hasInterrupted)
        result.count(session, operations: result.operations)
        if result.divergence != nil { result.operationList = trace.operations }
        return result
    }

    static func run<Target: FuzzTarget & ~Copyable>(
        _ observer: inout Observer, seed: UInt64, operations: Int?, limit: Duration? = nil,
        predict: @escaping SlotVerdict.Predict,
        record: (FuzzRecordLine) throws(MachineError) -> Void = { _ in },
        makeTarget: (Set<FuzzFeature>) throws(MachineError) -> Target
    ) throws(MachineError) -> FuzzResult {
        var result = FuzzResult(seed: seed)
        observer.begin("fuzzing", total: operations, limit: limit)
        let (start, most) = (SuspendingClock.now, operations ?? .max)
        while result.operations < most, result.ok, observer.goesOn(result.operations) {
            let number = seed &+ UInt64(result.operations / operationsOfMachine)
            let features = FuzzFeature.wanted(by: number)
            var session = FuzzSession(try makeTarget(features), predict: predict)
            var random = RandomOperations(
                random: SplitMix64(seed: number), base: session.base, limits: session.table.limits,
                missingAddressSpace: session.target.missingAddressSpace, features: session.target.features)
            try record(.machine(session.target.features))
            var done: [FuzzOperation] = []
            while done.count < operationsOfMachine, result.operations < most, result.ok,
                observer.goesOn(result.operations, seed: number)
            {
                let operation = random.next(on: session.table)
                done.append(operation)
                result.operations += 1
                result.divergence = try session.divergence(at: operation)
                if let answer = session.answer { try record(.operation(operation, answer: answer)) }
            }
            result.count(session, operations: done.count)
            result.seconds = (SuspendingClock.now - start).inSeconds
            if let divergence = result.divergence {
                (result.operationList, result.divergence) = try shrunk(done, divergence) { () throws(MachineError) in
                    FuzzSession(try makeTarget(features), predict: predict)
                }
            }
        }
        result.interrupted = observer.hasInterrupted
        return result
    }

    /// Finds the smallest trace that still diverges, and its divergence in words.
    private static func shrunk<Target: FuzzTarget & ~Copyable>(
        _ operations: [FuzzOperation], _ first: String,
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
    /// The seed of the first machine. The seeds of the following machines count up from it.
    public let seed: UInt64
    /// The number of operations.
    public internal(set) var operations = 0
    /// The number of requests that KVM accepted, as predicted.
    public internal(set) var accepted = 0
    /// The number of refused requests for each rule that they broke, without the rules of guest_memfd.
    public internal(set) var refusals: [SlotRule: Int] = [:]
    /// The number of refused requests for each rule of guest_memfd that they broke.
    public internal(set) var guestMemoryRefusals: [GuestMemoryRule: Int] = [:]
    /// For each feature of newer kernels, the number of operations on machines that used it. It is 0 if this kernel does not
    /// have the feature.
    public internal(set) var features = Dictionary(uniqueKeysWithValues: FuzzFeature.allCases.map { ($0, 0) })
    /// The features that the last machine used.
    public internal(set) var featureList: [FuzzFeature] = []
    /// The number of reads by the guest that were compared.
    public internal(set) var reads = 0
    /// The number of divergences: 0 or 1, because the first one ends the run.
    public private(set) var divergences = 0
    /// The first divergence, in words: the predicted answer and the real one.
    public internal(set) var divergence: String? {
        didSet { (divergences, ok) = (divergence == nil ? 0 : 1, divergence == nil) }
    }
    /// The operations that lead to the divergence, shrunk to as few as possible.
    public internal(set) var operationList: [FuzzOperation]?
    /// The path of the file in which these operations are saved.
    public var trace: String?
    /// The duration of the operations, without that of shrinking.
    public internal(set) var seconds = 0.0
    public internal(set) var interrupted = false
    public private(set) var ok = true

    public var problem: String? { divergence.map { "KVM and the rules diverge: \($0)" } }

    mutating func count<Target: FuzzTarget & ~Copyable>(_ session: borrowing FuzzSession<Target>, operations: Int) {
        for feature in session.target.features { features[feature, default: 0] += operations }
        featureList = FuzzFeature.allCases.filter(session.target.features.contains)
        guestMemoryRefusals.merge(session.guestMemoryRefusals, uniquingKeysWith: +)
        accepted += session.accepted
        refusals.merge(session.refusals, uniquingKeysWith: +)
        reads += session.reads
    }

    /// The trace that can be saved and replayed. Nil if there is no divergence.
    public var smallestTrace: FuzzTrace? {
        divergence.map {
            FuzzTrace(seed: seed, divergence: $0, operations: operationList ?? [], features: Set(featureList))
        }
    }
}

extension FuzzOperation {
    /// Simpler variants of the operation: in each, one number is easier to read.
    fileprivate var simpler: [FuzzOperation] {
        guard case .request(let request) = self else { return [] }
        var variants: [FuzzRequest] = []
        func vary(_ change: (inout FuzzRequest) -> Void) {
            var variant = request
            change(&variant)
            // Each variant differs from the request, so that shrinking comes to an end.
            if variant != request { variants.append(variant) }
        }
        vary { $0.guestMemory = nil }
        vary { $0.guestMemory?.offset = 0 }
        vary { $0.flags = 0 }
        vary { $0.host = .memory(0) }
        vary { $0.slot = 0 }
        vary { $0.guestAddress = 0 }
        vary { $0.guestAddress = min($0.guestAddress, Page.size) }
        vary { $0.size = min($0.size, Page.size) }
        return variants.map(FuzzOperation.request)
    }
}
