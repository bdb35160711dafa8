/// The policy for mapped memory while a guest has decode off.
public enum DecodePolicy: String, CaseIterable, Codable, Sendable {
    /// The memory goes away at once, as on hardware.
    case strict
    /// The memory stands where it was last decoded, until the function decodes it elsewhere or another region is decoded there. So
    /// guests that switch decode off in order to size BARs cost no edits.
    case lazy
}
