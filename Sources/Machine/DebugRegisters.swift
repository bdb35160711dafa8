internal import Debugging
internal import KVM

/// The registers of a vCPU as a debugger sees them, in the order of `RegisterLayout`.
extension VCPURegisters {
    /// The bytes of all registers for a debugger.
    var debuggerBytes: [UInt8] {
        var (registers, bytes) = (self, [UInt8]())
        registers.visit { value, size in
            for byte in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))) }
        }
        return bytes
    }

    /// Takes over registers from a debugger's bytes.
    ///
    /// - Returns: False if there are too few or too many bytes, or if a segment selector differs, because a selector alone says
    ///   nothing of its segment.
    mutating func take(debuggerBytes bytes: [UInt8]) -> Bool {
        guard bytes.count == RegisterLayout.size else { return false }
        var rest = bytes[...]
        return visit { value, size in
            value = rest.prefix(size).reversed().reduce(0) { $0 << 8 | UInt64($1) }
            rest = rest.dropFirst(size)
        }
    }

    /// Calls `body` with each register and its size in bytes, and takes over the value that `body` leaves. Ends and returns false
    /// if `body` changes a segment selector.
    @discardableResult
    private mutating func visit(_ body: (inout UInt64, _ size: Int) -> Void) -> Bool {
        func visit<Value: FixedWidthInteger>(_ value: inout Value, _ size: Int) {
            var wide = UInt64(value)
            body(&wide, size)
            value = Value(truncatingIfNeeded: wide)
        }
        for name in GeneralRegisters.Name.allCases { visit(&general[name], 8) }
        visit(&general.rip, 8)
        visit(&general.rflags, 4)
        for segment in [system.cs, system.ss, system.ds, system.es, system.fs, system.gs] {
            var selector = UInt64(segment.selector)
            body(&selector, 4)
            guard selector == segment.selector else { return false }
        }
        for number in 0..<8 {
            visit(&floatingPoint.stack[2 * number], 8)
            visit(&floatingPoint.stack[2 * number + 1], 2)
        }
        visit(&floatingPoint.controlWord, 4)
        visit(&floatingPoint.statusWord, 4)
        visit(&floatingPoint.fullTag, 4)
        for address in [\FloatingPointRegisters.lastInstruction, \.lastData] {
            var (high, low) = (floatingPoint[keyPath: address] >> 32, floatingPoint[keyPath: address] & 0xffff_ffff)
            visit(&high, 4)
            visit(&low, 4)
            floatingPoint[keyPath: address] = high << 32 | low
        }
        visit(&floatingPoint.lastOpcode, 4)
        for word in 0..<32 { visit(&floatingPoint.xmm[word], 8) }
        visit(&floatingPoint.mxcsr, 4)
        visit(&system.fs.base, 8)
        visit(&system.gs.base, 8)
        for register in [\SystemRegisters.cr0, \.cr2, \.cr3, \.cr4, \.cr8, \.efer] {
            visit(&system[keyPath: register], 8)
        }
        return true
    }
}

extension FloatingPointRegisters {
    /// The tag word of the x87 with two bits for each register: 0 for a register that holds a number, 3 for an empty one (SDM
    /// volume 1, 8.1.7).
    fileprivate var fullTag: UInt16 {
        get { (0..<8).reduce(0) { $0 | (tag >> $1 & 1 == 0 ? 3 : 0) << (2 * $1) } }
        set { tag = (0..<8).reduce(0) { $0 | (newValue >> (2 * $1) & 3 == 3 ? 0 : 1) << $1 } }
    }
}
