public import Machine

/// An experiment on this host's KVM, which somebody may watch and end early.
public protocol Experiment {
    associatedtype Result: ExperimentResult

    /// Carries out the experiment.
    func run(_ observer: inout Observer) throws(MachineError) -> Result
}

/// What an experiment found. Its JSON is what the command of the experiment prints.
public protocol ExperimentResult: Codable, Equatable, Sendable {
    /// The version of the JSON, 1.
    var schema: Int { get }
    /// Whether the observer ended the experiment early.
    var interrupted: Bool { get }
    /// Whether everything was as it should be.
    var ok: Bool { get }
    /// In words, what was not as it should be.
    var problem: String? { get }
}

/// A property of a result that its JSON leaves out, because pictures need it and scripts do not.
///
/// A decoded result has no value here, and results that differ only here are equal.
@propertyWrapper
public struct Unencoded<Value: Sendable>: Codable, Equatable, Sendable {
    public var wrappedValue: Value?

    public init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

    public init(from decoder: any Decoder) { wrappedValue = nil }

    public func encode(to encoder: any Encoder) {}

    public static func == (_: Self, _: Self) -> Bool { true }
}

// The compiler's own encoding of a type prefers these, and so writes no key for the property.
extension KeyedEncodingContainer {
    mutating func encode<Value>(_ value: Unencoded<Value>, forKey key: Key) {}
}

extension KeyedDecodingContainer {
    func decode<Value>(_ type: Unencoded<Value>.Type, forKey key: Key) -> Unencoded<Value> {
        Unencoded(wrappedValue: nil)
    }
}
