/// What an experiment on this host's KVM found. Its JSON is what the command of the experiment prints.
public protocol ExperimentResult: Codable, Sendable {
    /// The version of the JSON, 1.
    var schema: Int { get }
    /// Whether the observer ended the experiment early.
    var interrupted: Bool { get }
    /// Whether everything was as it should be.
    var ok: Bool { get }
    /// In words, what was not as it should be.
    var problem: String? { get }
}
