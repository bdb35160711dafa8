/// The bytes that have been sent to the guest's console.
struct InputQueue: Sendable {
    var bytes: [UInt8] = []
    /// Whether no more bytes come.
    var hasEnded = false

    /// Takes some of the bytes, or no bytes once at the end of the input. Returns nil if there is nothing to take now.
    mutating func take() -> [UInt8]? {
        guard bytes.isEmpty else {
            defer { bytes.removeFirst(min(bytes.count, 256)) }
            return Array(bytes.prefix(256))
        }
        guard hasEnded else { return nil }
        hasEnded = false
        return []
    }
}
