internal import Memslots
public import PCI

/// A change of what a function decodes, or of the writes that KVM takes for it, that could not be: everything is as before.
public struct Refusal: Hashable, Sendable {
    public let function: FunctionAddress
    /// The register in configuration space that keeps its old value; nil where the change came from the function itself.
    public let register: UInt64?
    /// What was written.
    public let value: UInt64
    /// The rule or the limit that was met, by its name: `tooManySlots`, `overlap`, `kernel`, `observer`, or a rule of slots.
    public let rule: String
    /// The error in words.
    public let reason: String
}

extension Refusal: CustomStringConvertible {
    public var description: String {
        let place = register.map { ", register 0x\(String($0, radix: 16)) <- 0x\(String(value, radix: 16))" } ?? ""
        return "refused \(function)\(place): \(rule): \(reason)"
    }
}

/// The refusals of a run: how many there were, and the first of them.
public struct Refusals: Hashable, Sendable {
    public private(set) var count = 0
    public private(set) var list: [Refusal] = []

    /// A guest may try again for ever.
    private static let most = 64

    mutating func append(_ refusal: Refusal) {
        count += 1
        if list.count < Self.most { list.append(refusal) }
    }
}

/// What becomes of a run when a change is refused.
public enum RefusalPolicy: String, CaseIterable, Sendable {
    /// The register keeps its old value, and the guest goes on.
    case `continue`
    /// The run ends with an error.
    case stop
}

extension MachineError {
    /// The name of the rule or limit that a change met.
    var rule: String {
        switch self {
        case .memory(let error): error.ruleName
        case .backingEnds: "backing"
        default: "machine"
        }
    }
}

extension AddressSpaceError {
    fileprivate var ruleName: String {
        switch self {
        case .tooManySlots: return "tooManySlots"
        case .overlap: return "overlap"
        case .notMapped: return "notMapped"
        case .dirtyLog: return "kernel"
        case .rule(let violation, _): return violation.rule.rawValue
        case .transaction(let error):
            if case .rule(let violation) = error.cause { return violation.rule.rawValue }
            if case .observer = error.step { return "observer" }
            return "kernel"
        }
    }
}
