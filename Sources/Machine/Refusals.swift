internal import Memslots
public import PCI

/// A refused change of what a function decodes, or of the events that KVM takes for it. The function decodes what it decoded
/// before. If its events were to change, KVM takes none of them.
public struct Refusal: Hashable, Sendable {
    /// The function that was to change.
    public let function: FunctionAddress
    /// The register in configuration space that keeps its old value, or nil if the guest wrote to a trapped place of the function.
    public let register: UInt64?
    /// The value that was written.
    public let value: UInt64
    /// The name of the rule or limit that the change met, such as `tooManySlots`, `overlap`, `kernel`, `observer`, `backing`,
    /// or the name of a `SlotRule`.
    public let rule: String
    /// The reason in words.
    public let reason: String
}

extension Refusal: CustomStringConvertible {
    /// One line with the function, the register and the value, the rule, and the reason.
    public var description: String {
        let place = register.map { ", register 0x\(String($0, radix: 16)) <- 0x\(String(value, radix: 16))" } ?? ""
        return "refused \(function)\(place): \(rule): \(reason)"
    }
}

/// The refusals of a run: their number, and the first of them.
public struct Refusals: Hashable, Sendable {
    /// The number of refusals.
    public private(set) var count = 0
    /// The first refusals.
    public private(set) var list: [Refusal] = []

    /// The largest length of the list, because a guest may try again for ever.
    private static let most = 64

    mutating func append(_ refusal: Refusal) {
        count += 1
        if list.count < Self.most { list.append(refusal) }
    }
}

/// What happens to a run after a refusal.
public enum RefusalPolicy: String, CaseIterable, Sendable {
    /// The register keeps its old value, and the guest goes on.
    case `continue`
    /// The run ends with an error.
    case stop
}

extension MachineError {
    /// The name of the rule or limit that a change met.
    public var rule: String {
        switch self {
        case .memory(let error): error.ruleName
        case .backingEnds: "backing"
        case .tooManyRoutes: "tooManyRoutes"
        case .tooFewVectors: "tooFewVectors"
        case .hotPlug(_, let error): error.rawValue
        case .description: "description"
        case .assignment: "addresses"
        case .board: "buses"
        case .hostMemory: "hostMemory"
        case .functionLost: "noFunction"
        case .deviceLost: "deviceLost"
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
