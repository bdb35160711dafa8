public import Devices

/// A function's configuration space: 4,096 bytes, of which those registers are stored that the function has (PCI 3.0, 6.1; PCIe,
/// 7.2). A register that it does not have reads as zero.
public struct ConfigSpace: Sendable {
    /// Bytes that a function has by ECAM.
    public static let size: UInt64 = 4096

    private let shape: ConfigShape
    private var values: [UInt32]

    /// The registers after reset.
    init(_ shape: ConfigShape) {
        self.shape = shape
        values = shape.reset
    }

    /// Reads `width` bytes; all ones where the access is not naturally aligned, wider than a register, or outside.
    public func read(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard Self.accepts(offset, width) else { return width.allOnes }
        return width.mask(UInt64(self[register: offset] >> Self.shift(offset)))
    }

    /// The register at `offset` as it would be after a write of the low `width` bytes of `value`; nil where that changes nothing.
    func written(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> UInt32? {
        guard Self.accepts(offset, width), let index = shape.index(of: offset) else { return nil }
        let shift = Self.shift(offset)
        let mask = shape.writable[index] & UInt32(truncatingIfNeeded: width.allOnes) << shift
        let written = values[index] & ~mask | UInt32(truncatingIfNeeded: value) << shift & mask
        return written == values[index] ? nil : written
    }

    /// Writes those of the low `width` bytes of `value` that are writable; dropped where a read would give all ones.
    mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) {
        if let written = written(value, at: offset, width: width) { set(written, at: offset) }
    }

    /// The whole register that holds the byte at `offset`.
    subscript(register offset: UInt64) -> UInt32 {
        shape.index(of: offset).map { values[$0] } ?? 0
    }

    /// Sets a register that the function has, whether software may write it or not.
    mutating func set(_ value: UInt32, at offset: UInt64) {
        if let index = shape.index(of: offset) { values[index] = value }
    }

    static func accepts(_ offset: UInt64, _ width: AccessWidth) -> Bool {
        width != .quadword && offset < size && offset.isMultiple(of: UInt64(width.rawValue))
    }

    private static func shift(_ offset: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: offset & 3) * 8
    }
}

/// The registers that functions of one kind have in configuration space, with their values after reset and the bits that
/// software may write. Functions of a kind share it.
final class ConfigShape: Sendable {
    /// Registers while they are collected, by the offset of their first byte.
    typealias Registers = [UInt64: (value: UInt32, writable: UInt32)]

    /// By doubleword: the index of the register, or `none`. Short, where the registers lie at low offsets.
    private let indices: [UInt16]
    let reset: [UInt32]
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

    /// The index of the register that holds the byte at `offset`.
    @inline(__always)
    func index(of offset: UInt64) -> Int? {
        let doubleword = offset / 4
        guard doubleword < UInt64(indices.count), indices[Int(doubleword)] != Self.none else { return nil }
        return Int(indices[Int(doubleword)])
    }
}
