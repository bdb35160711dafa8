internal import Debugging
internal import KVM

/// The registers of a vCPU as a debugger sees them, in the order of `RegisterLayout`.
extension VCPURegisters {
    /// The bytes of all registers for a debugger.
    var debuggerBytes: [UInt8] {
        var bytes: [UInt8] = []
        func append(_ value: UInt64, _ size: Int) {
            for byte in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))) }
        }
        for value in Self.general { append(general[keyPath: value], 8) }
        append(general.rflags, 4)
        for segment in Self.segments { append(UInt64(system[keyPath: segment].selector), 4) }
        let x87 = floatingPoint
        for number in 0..<8 {
            append(x87.stack[2 * number], 8)
            append(x87.stack[2 * number + 1], 2)
        }
        let (code, data) = (x87.lastInstruction, x87.lastData)
        let state: [UInt64] = [
            UInt64(x87.controlWord), UInt64(x87.statusWord), UInt64(x87.fullTag), code >> 32, code & 0xffff_ffff,
            data >> 32,
            data & 0xffff_ffff, UInt64(x87.lastOpcode),
        ]
        for value in state { append(value, 4) }
        for word in 0..<32 { append(x87.xmm[word], 8) }
        append(UInt64(x87.mxcsr), 4)
        append(system.fs.base, 8)
        append(system.gs.base, 8)
        for value in Self.control { append(system[keyPath: value], 8) }
        return bytes
    }

    /// Takes over registers from a debugger's bytes.
    ///
    /// - Returns: False if there are too few or too many bytes, or if a segment selector differs, because a selector alone says
    ///   nothing of its segment.
    mutating func take(debuggerBytes bytes: [UInt8]) -> Bool {
        guard bytes.count == RegisterLayout.size else { return false }
        var rest = bytes[...]
        func next(_ size: Int) -> UInt64 {
            defer { rest = rest.dropFirst(size) }
            return rest.prefix(size).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        for value in Self.general { general[keyPath: value] = next(8) }
        general.rflags = next(4)
        for segment in Self.segments {
            guard next(4) == UInt64(system[keyPath: segment].selector) else { return false }
        }
        for number in 0..<8 {
            floatingPoint.stack[2 * number] = next(8)
            floatingPoint.stack[2 * number + 1] = next(2)
        }
        let state = (0..<8).map { _ in next(4) }
        floatingPoint.controlWord = UInt16(truncatingIfNeeded: state[0])
        floatingPoint.statusWord = UInt16(truncatingIfNeeded: state[1])
        floatingPoint.fullTag = UInt16(truncatingIfNeeded: state[2])
        floatingPoint.lastInstruction = state[3] << 32 | state[4]
        floatingPoint.lastData = state[5] << 32 | state[6]
        floatingPoint.lastOpcode = UInt16(truncatingIfNeeded: state[7])
        for word in 0..<32 { floatingPoint.xmm[word] = next(8) }
        floatingPoint.mxcsr = UInt32(truncatingIfNeeded: next(4))
        system.fs.base = next(8)
        system.gs.base = next(8)
        for value in Self.control { system[keyPath: value] = next(8) }
        return true
    }

    private static var general: [WritableKeyPath<GeneralRegisters, UInt64>] {
        [
            \.rax, \.rbx, \.rcx, \.rdx, \.rsi, \.rdi, \.rbp, \.rsp, \.r8, \.r9, \.r10, \.r11, \.r12, \.r13, \.r14,
            \.r15, \.rip,
        ]
    }

    private static var segments: [KeyPath<SystemRegisters, SegmentRegister>] {
        [\.cs, \.ss, \.ds, \.es, \.fs, \.gs]
    }

    private static var control: [WritableKeyPath<SystemRegisters, UInt64>] {
        [\.cr0, \.cr2, \.cr3, \.cr4, \.cr8, \.efer]
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
