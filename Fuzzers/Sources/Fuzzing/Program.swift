/// An input as a program of choices: its bytes one after another, then zeros.
public struct Program {
    private var bytes: ArraySlice<UInt8>

    public init(_ bytes: [UInt8]) {
        self.bytes = bytes[...]
    }

    public var isOver: Bool { bytes.isEmpty }

    public mutating func byte() -> UInt8 {
        bytes.popFirst() ?? 0
    }

    /// A number of this many bytes, little-endian.
    public mutating func number(bytes count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(byte()) << UInt64(8 * $1) }
    }
}
