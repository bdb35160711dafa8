/// A guest-physical address.
///
/// Guests choose such addresses, so all arithmetic on them is checked and none of it traps on overflow.
public struct GuestAddress: Hashable, Comparable, Sendable {
    /// The address in bytes.
    public var rawValue: UInt64

    /// Creates the address `rawValue`.
    @inlinable
    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    @inlinable
    public static func < (left: GuestAddress, right: GuestAddress) -> Bool {
        left.rawValue < right.rawValue
    }

    /// Returns the address `bytes` further on, or nil if it would lie past the end of the address space.
    @inlinable
    public func advanced(by bytes: UInt64) -> GuestAddress? {
        let (sum, overflow) = rawValue.addingReportingOverflow(bytes)
        return overflow ? nil : GuestAddress(sum)
    }

    /// Whether the address is a multiple of the page size.
    @inlinable
    public var isPageAligned: Bool {
        rawValue & (Page.size - 1) == 0
    }

    /// The guest frame number: the number of the page that contains the address.
    @inlinable
    public var frame: UInt64 {
        rawValue >> Page.shift
    }
}

extension GuestAddress: CustomStringConvertible {
    public var description: String {
        hexadecimal(rawValue)
    }
}

/// The 4 KiB page, the unit of every memory slot.
public enum Page {
    /// Bytes in a page.
    public static let size: UInt64 = 4096
    /// The base-two logarithm of the page size.
    public static let shift: UInt64 = 12
}

/// Returns a number as people write addresses: `0xfee00000`.
public func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

/// Returns a number of bytes exactly, as people write sizes: `4K`, `1.5G`, or `100 bytes` if no unit has a quarter that divides it.
public func sizeText(_ size: UInt64) -> String {
    for (unit, shift) in zip("EPTGMK", [60, 50, 40, 30, 20, 10] as [UInt64]) where size >> shift > 0 {
        let quarters = size >> (shift - 2)
        guard quarters << (shift - 2) == size else { continue }
        return "\(quarters / 4)\(["", ".25", ".5", ".75"][Int(quarters % 4)])\(unit)"
    }
    return "\(size) bytes"
}

/// Returns a number in hexadecimal without a prefix, padded with zeros to at least `digits` digits.
public func hexadecimal(_ value: some BinaryInteger, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}

/// Returns the low `size` bytes of a number as they lie in memory, the least significant one first.
package func littleEndian<Number: FixedWidthInteger>(_ number: Number, _ size: Int = Number.bitWidth / 8) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
}
