/// A guest-physical address.
///
/// Its arithmetic is checked: a guest chooses such numbers, so nothing here may trap on overflow.
public struct GuestAddress: RawRepresentable, Hashable, Comparable, Sendable {
    /// The address in bytes.
    public var rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    @inlinable
    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    @inlinable
    public static func < (left: GuestAddress, right: GuestAddress) -> Bool {
        left.rawValue < right.rawValue
    }

    /// The address `bytes` further on, or nil past the end of the address space.
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

    /// The guest frame number: the address in pages, rounded down.
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
    /// The page size as a power of two.
    public static let shift: UInt64 = 12
}

/// `value` as people write addresses: `0xfee00000`.
public func hexadecimal(_ value: UInt64) -> String {
    "0x" + String(value, radix: 16)
}

/// A number in hexadecimal without a prefix, in so many digits at least.
public func hexadecimal(_ value: some BinaryInteger, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
