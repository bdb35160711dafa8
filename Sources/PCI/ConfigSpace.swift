public import Devices

/// The configuration space of a function, with 4,096 bytes (PCI 3.0, 6.1; PCIe, 7.2). Only the registers that the function has are
/// stored. All others read as zero.
public struct ConfigSpace: Sendable {
    /// The bytes of configuration space that a function has in ECAM.
    public static let size: UInt64 = 4096

    private let shape: ConfigShape
    private var values: [UInt32]

    /// Creates configuration space with the values after reset.
    init(_ shape: ConfigShape) {
        self.shape = shape
        values = shape.reset
    }

    /// Reads `width` bytes. Returns all ones if the access is not naturally aligned, wider than a register, or outside.
    public func read(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard Self.accepts(offset, width) else { return width.allOnes }
        return width.mask(UInt64(self[register: offset] >> Self.shift(offset)))
    }

    /// Returns the register at `offset` as it would be after a write of the low `width` bytes of `value`, or nil if the write
    /// changes nothing.
    func written(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> UInt32? {
        guard Self.accepts(offset, width), let index = shape.index(of: offset) else { return nil }
        let shift = Self.shift(offset)
        let mask = shape.writable[index] & UInt32(truncatingIfNeeded: width.allOnes) << shift
        let written = values[index] & ~mask | UInt32(truncatingIfNeeded: value) << shift & mask
        return written == values[index] ? nil : written
    }

    /// Writes the low `width` bytes of `value`. Only bits that software may write change. Drops a write that is not naturally
    /// aligned, wider than a register, or outside.
    mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) {
        if let written = written(value, at: offset, width: width) { set(written, at: offset) }
    }

    /// The whole register that holds the byte at `offset`, or zero if the function does not have this register.
    subscript(register offset: UInt64) -> UInt32 {
        shape.index(of: offset).map { values[$0] } ?? 0
    }

    /// Sets a register, whether or not software may write it. Does nothing if the function does not have the register.
    mutating func set(_ value: UInt32, at offset: UInt64) {
        if let index = shape.index(of: offset) { values[index] = value }
    }

    /// Returns whether an access is naturally aligned, no wider than a register, and inside of configuration space.
    static func accepts(_ offset: UInt64, _ width: AccessWidth) -> Bool {
        width != .quadword && offset < size && offset.isMultiple(of: UInt64(width.rawValue))
    }

    private static func shift(_ offset: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: offset & 3) * 8
    }
}

/// The registers that functions of one kind have in configuration space, with their values after reset and the bits that software
/// may write. All functions of a kind share one shape.
final class ConfigShape: Sendable {
    /// Registers while they are collected, by the offset of their first byte.
    typealias Registers = [UInt64: (value: UInt32, writable: UInt32)]

    /// For each doubleword the index of its register, or `none`. The array ends after the last register, so it is short if all
    /// registers lie at low offsets.
    private let indices: [UInt16]
    /// The values after reset, by the index of the register.
    let reset: [UInt32]
    /// The bits that software may write, by the index of the register.
    let writable: [UInt32]

    private static let none = UInt16.max

    init(_ registers: Registers) {
        let offsets = registers.keys.sorted()
        var indices = [UInt16](repeating: Self.none, count: Int((offsets.last ?? 0) / 4) + 1)
        for (index, offset) in offsets.enumerated() { indices[Int(offset / 4)] = UInt16(index) }
        self.indices = indices
        reset = offsets.map { registers[$0]?.value ?? 0 }
        writable = offsets.map { registers[$0]?.writable ?? 0 }
    }

    /// Returns the index of the register that holds the byte at `offset`, or nil if there is no such register.
    @inline(__always)
    func index(of offset: UInt64) -> Int? {
        let doubleword = offset / 4
        guard doubleword < UInt64(indices.count), indices[Int(doubleword)] != Self.none else { return nil }
        return Int(indices[Int(doubleword)])
    }
}
