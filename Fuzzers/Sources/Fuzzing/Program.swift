/// An input as a program of choices: its bytes one after another, and then zeros without end.
public struct Program {
    private var bytes: ArraySlice<UInt8>

    /// Makes the program of an input.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes[...]
    }

    /// Whether all bytes of the input have been read.
    public var isOver: Bool { bytes.isEmpty }

    /// Reads the next byte.
    public mutating func byte() -> UInt8 {
        bytes.popFirst() ?? 0
    }

    /// Reads a number of `count` bytes, little-endian.
    public mutating func number(bytes count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(byte()) << UInt64(8 * $1) }
    }
}
