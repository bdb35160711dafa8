/// What becomes of mapped memory while a guest has decode off.
public enum DecodePolicy: String, CaseIterable, Codable, Sendable {
    /// It goes away at once, as on hardware.
    case strict
    /// It stands where decode was last on, until decode comes on elsewhere or another region is decoded there: guests that
    /// switch decode off in order to size BARs then cost no edits.
    case lazy
}
