/// Finds the message in a Linux guest's console output that the kernel cannot go on.
public struct PanicWatch: Sendable {
    /// The kernel's words about its panic, or nil if it has had none.
    public private(set) var reason: String?
    private var line: [UInt8] = []

    private static let beginning = "Kernel panic - not syncing: "
    private static let end = "---[ end Kernel panic"
    /// The kernel's lines are shorter.
    private static let longest = 1024

    public init() {}

    /// Takes a byte of the output. Returns whether it ends the last line that the kernel prints after a panic.
    public mutating func hasEnded(with byte: UInt8) -> Bool {
        guard byte == UInt8(ascii: "\n") else {
            if line.count < Self.longest { line.append(byte) }
            return false
        }
        defer { line.removeAll(keepingCapacity: true) }
        // Only panics have these letters, so that other lines are not made into strings.
        guard line.contains(UInt8(ascii: "K")) else { return false }
        let text = String(decoding: line, as: UTF8.self)
        if reason == nil, let place = text.ranges(of: Self.beginning).first {
            reason = text[place.upperBound...].trimmingCarriageReturn
        }
        return reason != nil && text.contains(Self.end)
    }
}

extension Substring {
    fileprivate var trimmingCarriageReturn: String {
        String(hasSuffix("\r") ? dropLast() : self)
    }
}
