public import Devices

/// The value of CONFIG_ADDRESS (PCI 3.0, 3.2.2.3.2): the register of a function that an access to CONFIG_DATA reaches.
public struct ConfigAddress: Hashable, Sendable {
    /// The value as the guest writes it.
    public var rawValue: UInt32

    /// Creates a value. Without an argument the value is not enabled.
    public init(rawValue: UInt32 = 0) {
        self.rawValue = rawValue
    }

    /// Returns the place that an access to CONFIG_DATA reaches. Returns nil if the access is not naturally aligned within
    /// CONFIG_DATA, or if CONFIG_ADDRESS is not enabled.
    ///
    /// On hardware CONFIG_ADDRESS has no low bits of the register, and the data port chooses the byte. Some test kernels put the
    /// low bits into CONFIG_ADDRESS and use the first data port, and others put them into both. So the low bits of both are
    /// combined by OR. If an access of this width would not be aligned at that byte, the port alone chooses the byte.
    ///
    /// - Parameter offset: The port, counted from CONFIG_ADDRESS.
    public func target(at offset: UInt64, width: AccessWidth) -> ConfigTarget? {
        guard Self.isData(offset, width), rawValue >> 31 != 0 else { return nil }
        let both = UInt64(rawValue & 0xff) | offset & 3
        return ConfigTarget(
            function: FunctionAddress(requesterID: UInt16(truncatingIfNeeded: rawValue >> 8)),
            register: both.isMultiple(of: UInt64(width.rawValue)) ? both : UInt64(rawValue & 0xfc) | offset & 3)
    }

    /// Returns whether an access is naturally aligned within CONFIG_DATA.
    ///
    /// - Parameter offset: The port, counted from CONFIG_ADDRESS.
    public static func isData(_ offset: UInt64, _ width: AccessWidth) -> Bool {
        (4...7).contains(offset) && width != .quadword && offset.isMultiple(of: UInt64(width.rawValue))
    }
}

/// A place in a function's configuration space.
public struct ConfigTarget: Hashable, Sendable {
    /// The address of the function.
    public var function: FunctionAddress
    /// The offset in configuration space, in bytes.
    public var register: UInt64

    /// Creates the place of a function's register.
    public init(function: FunctionAddress, register: UInt64) {
        self.function = function
        self.register = register
    }

    /// Creates the place at an offset in memory-mapped configuration space: bus << 20 | device << 15 | function << 12 | register
    /// (PCIe, 7.2.2). The segments lie one after the other, each with room for as many buses as `buses` says.
    public init(ecamOffset offset: UInt64, buses: Int = 256) {
        let size = UInt64(buses) << 20
        function = FunctionAddress(
            requesterID: UInt16(truncatingIfNeeded: (offset % size) >> 12),
            segment: UInt8(truncatingIfNeeded: offset / size))
        register = offset & 0xfff
    }
}
