/// A watch over the console output of a Linux guest, which finds the message that the kernel has panicked.
public struct PanicWatch: Sendable {
    /// The reason that the kernel gave for its panic, or nil if it has not panicked.
    public private(set) var reason: String?
    private var line: [UInt8] = []

    private static let beginning = "Kernel panic - not syncing: "
    private static let end = "---[ end Kernel panic"
    /// The largest number of bytes of a line that are kept. The lines that matter are shorter.
    private static let longest = 1024

    /// Creates a watch that has seen no output.
    public init() {}

    /// Takes a byte of the output. Returns whether the byte ends the last line that the kernel prints after a panic.
    public mutating func hasEnded(with byte: UInt8) -> Bool {
        guard byte == UInt8(ascii: "\n") else {
            if line.count < Self.longest { line.append(byte) }
            return false
        }
        defer { line.removeAll(keepingCapacity: true) }
        // Only lines with this letter can matter. The others are not converted to strings.
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
