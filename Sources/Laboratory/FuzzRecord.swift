public import Machine
internal import Memslots

/// A line of a record. A record holds what a fuzzer asked KVM, and KVM's answers, so that they can be compared with those of
/// another kernel.
public enum FuzzRecordLine: Sendable {
    /// The first line: the seed of the recorded run, and the kernel that answered.
    case header(seed: UInt64, kernel: String)
    /// The beginning of a new machine, with the features that it uses.
    case machine(Set<FuzzFeature>)
    /// An operation on the machine, and its answer: `accepted`, an errno, or what the guest read.
    case operation(FuzzOperation, answer: String)
    /// The last line of a record that had reached its largest size.
    case cut
    /// The last line of a record that is whole. A record without `cut` or `end` was cut afterwards.
    case end
}

extension FuzzRecordLine: Codable {
    private enum Key: String, CodingKey { case format, seed, kernel, machine, answer, cut, end }
    private static let format = "swiftlet fuzz record 1"

    public func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        switch self {
        case .header(let seed, let kernel):
            try object.encode(Self.format, forKey: .format)
            try object.encode(seed, forKey: .seed)
            try object.encode(kernel, forKey: .kernel)
        case .machine(let features): try object.encode(features.map(\.rawValue).sorted(), forKey: .machine)
        case .operation(let operation, let answer):
            try operation.encode(to: encoder)
            try object.encode(answer, forKey: .answer)
        case .cut: try object.encode(true, forKey: .cut)
        case .end: try object.encode(true, forKey: .end)
        }
    }

    public init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: Key.self)
        if object.contains(.format) {
            guard try object.decode(String.self, forKey: .format) == Self.format else {
                throw DecodingError.dataCorruptedError(
                    forKey: .format, in: object, debugDescription: "it is not \"\(Self.format)\"")
            }
            self = .header(
                seed: try object.decode(UInt64.self, forKey: .seed),
                kernel: try object.decode(String.self, forKey: .kernel))
        } else if object.contains(.machine) {
            self = .machine(Set(try object.decode([FuzzFeature].self, forKey: .machine)))
        } else if object.contains(.cut) {
            self = .cut
        } else if object.contains(.end) {
            self = .end
        } else {
            self = .operation(try FuzzOperation(from: decoder), answer: try object.decode(String.self, forKey: .answer))
        }
    }
}

/// A repetition of a record's operations on this host's KVM, which compares the answers.
public enum FuzzComparison {
    /// Repeats the operations and compares the answers.
    ///
    /// If KVM answers a request otherwise than the record says, the rest of that machine's operations is left out, because its
    /// slots are no longer those of the record.
    public static func run(_ observer: inout Observer, _ lines: [FuzzRecordLine]) throws(MachineError)
        -> FuzzComparisonResult
    {
        try run(&observer, lines, makeTarget: BareMachine.forFuzzing)
    }

    static func run<Target: FuzzTarget & ~Copyable>(
        _ observer: inout Observer, _ lines: [FuzzRecordLine],
        makeTarget: (Set<FuzzFeature>) throws(MachineError) -> Target
    ) throws(MachineError) -> FuzzComparisonResult {
        guard case .header(let seed, let kernel) = lines.first else {
            throw .experiment("a record begins with its format")
        }
        var result = FuzzComparisonResult(seed: seed, kernel: kernel)
        observer.begin("comparing", total: lines.count)
        var (next, start) = (1, SuspendingClock.now)
        while next < lines.count, observer.goesOn(next) {
            defer { next += 1 }
            guard case .machine(let features) = lines[next] else { continue }
            var session = FuzzSession(try makeTarget(features), predict: SlotVerdict.init)
            var isSame = session.target.features == features
            if !isSame { result.skippedMachines += 1 }
            while next + 1 < lines.count, case .operation(let operation, let answer) = lines[next + 1],
                observer.goesOn(next)
            {
                next += 1
                guard isSame else { continue }
                result.operations += 1
                let prediction = try session.divergence(at: operation)
                guard let seen = session.answer, seen != answer else { continue }
                result.note(
                    "operation \(next): \(operation): recorded: \(answer); here: \(seen)",
                    isAsPredicted: prediction == nil)
                if case .request = operation { isSame = false }
            }
        }
        (result.seconds, result.interrupted) = ((SuspendingClock.now - start).inSeconds, observer.hasInterrupted)
        return result
    }
}

/// The result of a `FuzzComparison`.
public struct FuzzComparisonResult: ExperimentResult {
    public private(set) var schema = 1
    /// The seed of the recorded run.
    public let seed: UInt64
    /// The kernel on which the record was made.
    public let kernel: String
    /// The number of repeated operations.
    public internal(set) var operations = 0
    /// The number of machines that were left out, because this kernel lacks a feature that they use.
    public internal(set) var skippedMachines = 0
    /// The number of answers that differ.
    public private(set) var differences = 0 {
        didSet { ok = differences == 0 }
    }
    /// The first differences, in words.
    public private(set) var differenceList: [String] = []
    /// The duration of the comparison.
    public internal(set) var seconds = 0.0
    public internal(set) var interrupted = false

    public private(set) var ok = true
    public var problem: String? {
        ok ? nil : "\(differences) answer\(differences == 1 ? " differs" : "s differ") from those of \(kernel)"
    }

    init(seed: UInt64, kernel: String) { (self.seed, self.kernel) = (seed, kernel) }

    private static let mostListed = 20

    mutating func note(_ difference: String, isAsPredicted: Bool) {
        differences += 1
        guard differenceList.count < Self.mostListed else { return }
        differenceList.append(difference + (isAsPredicted ? " (as the rules predict)" : ""))
    }
}
