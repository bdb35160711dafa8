/// The width of one access to a port or to device memory, in bytes.
public enum AccessWidth: Int, Sendable, CaseIterable {
    /// 8 bits.
    case byte = 1
    /// 16 bits.
    case word = 2
    /// 32 bits.
    case doubleword = 4
    /// 64 bits.
    case quadword = 8

    /// The value of a read of this width that nobody answers: every bit is set.
    @inlinable
    public var allOnes: UInt64 {
        UInt64.max >> (64 - 8 * UInt64(rawValue))
    }

    /// Returns the bits of `value` that an access of this width carries.
    @inlinable
    public func mask(_ value: UInt64) -> UInt64 {
        value & allOnes
    }
}
