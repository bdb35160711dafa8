public import Devices

/// CONFIG_ADDRESS of configuration mechanism #1 (PCI 3.0, 3.2.2.3.2): the register of a function that CONFIG_DATA stands for.
public struct ConfigAddress: Hashable, Sendable {
    public var rawValue: UInt32

    public init(rawValue: UInt32 = 0) {
        self.rawValue = rawValue
    }

    /// What an access to CONFIG_DATA stands for, `offset` bytes behind CONFIG_ADDRESS; nil where that is none, or where
    /// CONFIG_ADDRESS is not enabled.
    ///
    /// Hardware knows no low bits of the register, and the port chooses the byte. Test kernels put them into CONFIG_ADDRESS and
    /// read the first data port: the sum of both is where they look. A sum that the access cannot have is a register's, as ever.
    public func target(at offset: UInt64, width: AccessWidth) -> ConfigTarget? {
        guard (4...7).contains(offset), rawValue >> 31 != 0 else { return nil }
        let sum = UInt64(rawValue & 0xff) + offset & 3
        let isAligned = sum.isMultiple(of: UInt64(width.rawValue)) && sum < 256
        return ConfigTarget(
            function: FunctionAddress(requesterID: UInt16(truncatingIfNeeded: rawValue >> 8)),
            register: isAligned ? sum : UInt64(rawValue & 0xfc) | offset & 3)
    }
}

/// A place in a function's configuration space.
public struct ConfigTarget: Hashable, Sendable {
    public var function: FunctionAddress
    /// In bytes.
    public var register: UInt64

    public init(function: FunctionAddress, register: UInt64) {
        self.function = function
        self.register = register
    }

    /// The place that an offset in memory-mapped configuration space stands for: bus << 20 | device << 15 | function << 12 |
    /// register (PCIe, 7.2.2).
    public init(ecamOffset offset: UInt64) {
        function = FunctionAddress(requesterID: UInt16(truncatingIfNeeded: offset >> 12))
        register = offset & 0xfff
    }

    public var ecamOffset: UInt64 {
        UInt64(function.requesterID) << 12 | register & 0xfff
    }
}
