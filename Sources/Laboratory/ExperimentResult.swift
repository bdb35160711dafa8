/// The result of an experiment on this host's KVM. The command of the experiment prints it as JSON.
public protocol ExperimentResult: Codable, Sendable {
    /// The version of the JSON, 1.
    var schema: Int { get }
    /// Whether the observer ended the experiment early.
    var interrupted: Bool { get }
    /// Whether everything was as it should be.
    var ok: Bool { get }
    /// The first thing that was not as it should be, in words. Nil if there is none.
    var problem: String? { get }
}
