// KVM fills and reads these structures in place. So their fields are those of the kernel's structures, in the same order.

/// The general registers (`struct kvm_regs`).
public struct GeneralRegisters: Equatable, Sendable {
    /// The registers that instructions name.
    public var rax: UInt64 = 0, rbx: UInt64 = 0, rcx: UInt64 = 0, rdx: UInt64 = 0
    /// The index registers, the stack pointer and the frame pointer.
    public var rsi: UInt64 = 0, rdi: UInt64 = 0, rsp: UInt64 = 0, rbp: UInt64 = 0
    /// The registers that only 64-bit code has.
    public var r8: UInt64 = 0, r9: UInt64 = 0, r10: UInt64 = 0, r11: UInt64 = 0
    /// The registers that only 64-bit code has.
    public var r12: UInt64 = 0, r13: UInt64 = 0, r14: UInt64 = 0, r15: UInt64 = 0
    /// The instruction pointer, an offset in the code segment.
    public var rip: UInt64 = 0
    /// The flags. Bit 1 is always set (SDM volume 1, 3.4.3).
    public var rflags: UInt64 = 2

    /// Creates registers of zero, apart from the fixed bit of `rflags`.
    public init() {}
}

extension GeneralRegisters {
    /// The name of a general register, without the letter that stands for its width.
    public enum Name: Int, CaseIterable, Sendable {
        /// A register that code of every width has.
        case ax, bx, cx, dx, si, di, bp, sp
        /// A register that only 64-bit code has.
        case r8, r9, r10, r11, r12, r13, r14, r15

        /// Finds a register by its name for 16, 32 or 64 bits: `ax`, `eax` and `rax` are one register.
        public init?(anyWidth name: String) {
            let short = ["e", "r"].contains { name.hasPrefix($0) } ? String(name.dropFirst()) : name
            guard let register = Self.allCases.first(where: { [name, short].contains("\($0)") }) else { return nil }
            self = register
        }

        /// The name of the whole register, such as `rax`.
        public var wholeName: String { rawValue < Self.r8.rawValue ? "r\(self)" : "\(self)" }
    }

    /// The registers in the order of their names.
    private static let paths: [any (WritableKeyPath<GeneralRegisters, UInt64> & Sendable)] = [
        \.rax, \.rbx, \.rcx, \.rdx, \.rsi, \.rdi, \.rbp, \.rsp, \.r8, \.r9, \.r10, \.r11, \.r12, \.r13, \.r14, \.r15,
    ]

    /// The register with a name.
    public subscript(name: Name) -> UInt64 {
        get { self[keyPath: Self.paths[name.rawValue]] }
        set { self[keyPath: Self.paths[name.rawValue]] = newValue }
    }
}

/// A segment register with its hidden part (`struct kvm_segment`; SDM volume 3A, 3.4.3).
public struct SegmentRegister: Sendable {
    /// The linear address at which the segment begins.
    public var base: UInt64 = 0
    /// The offset of the segment's last byte, whatever the granularity.
    public var limit: UInt32 = 0
    /// The selector that the guest has loaded.
    public var selector: UInt16 = 0
    /// The type field of the descriptor.
    public var type: UInt8 = 0
    /// P: the segment is present. KVM treats a segment that is not present as unusable.
    @ByteFlag public var isPresent
    /// DPL: the privilege level, 0 to 3.
    public var privilegeLevel: UInt8 = 0
    /// D/B: 32-bit operands and addresses.
    @ByteFlag public var is32Bit
    /// S: a code or data segment, not a system segment.
    @ByteFlag public var isCodeOrData
    /// L: 64-bit code.
    @ByteFlag public var is64Bit
    /// G: the limit in the descriptor is in pages.
    @ByteFlag public var hasPageGranularity
    private var available: UInt8 = 0
    // KVM ignores this field, and treats a segment that is not present as unusable.
    private var unusable: UInt8 = 0
    private var padding: UInt8 = 0

    /// Creates an unusable segment register.
    public init() {}
}

/// A flag that has a byte of its own. Every byte except 0 means true, so that each byte that the kernel may write has a meaning.
@propertyWrapper
public struct ByteFlag: Sendable {
    private var byte: UInt8 = 0

    /// Whether the byte is not 0.
    public var wrappedValue: Bool {
        get { byte != 0 }
        set { byte = newValue ? 1 : 0 }
    }

    /// Creates a flag that is false.
    public init() {}
}

/// The register of the GDT or IDT (`struct kvm_dtable`).
public struct DescriptorTable: Sendable {
    /// The linear address of the table.
    public var base: UInt64 = 0
    /// The offset of the table's last byte.
    public var limit: UInt16 = 0
    private var padding: [3 of UInt16] = .init(repeating: 0)

    /// Creates a register of zeros.
    public init() {}
}

/// The segment registers, table registers and control registers (`struct kvm_sregs`).
public struct SystemRegisters: Sendable {
    /// The segment registers.
    public var cs = SegmentRegister(), ds = SegmentRegister(), es = SegmentRegister()
    /// The segment registers.
    public var fs = SegmentRegister(), gs = SegmentRegister(), ss = SegmentRegister()
    /// The task register and the register of the local descriptor table.
    public var tr = SegmentRegister(), ldt = SegmentRegister()
    /// The registers of the global descriptor table and of the interrupt descriptor table.
    public var gdt = DescriptorTable(), idt = DescriptorTable()
    /// The control registers.
    public var cr0: UInt64 = 0, cr2: UInt64 = 0, cr3: UInt64 = 0, cr4: UInt64 = 0, cr8: UInt64 = 0
    /// The register IA32_EFER.
    public var efer: UInt64 = 0
    /// The register IA32_APIC_BASE.
    public var apicBase: UInt64 = 0

    /// Whether the vCPU executes 64-bit code: CS.L is set, and EFER.LMA says that long mode is active.
    public var is64Bit: Bool { cs.is64Bit && efer & 1 << 10 != 0 }

    /// The bytes of a word on the stack: 2, 4 or 8.
    public var wordSize: Int { is64Bit ? 8 : ss.is32Bit ? 4 : 2 }

    /// Returns the linear address of an instruction, given its offset in the code segment. In 64-bit mode the segment begins at 0.
    public func linearAddress(ofInstruction offset: UInt64) -> UInt64 {
        is64Bit ? offset : (cs.base &+ offset) & 0xffff_ffff
    }

    /// The pending external interrupts, one bit for each vector.
    var interrupts: [4 of UInt64] = .init(repeating: 0)

    /// Creates registers of zero, with unusable segments.
    public init() {}
}

/// The registers of the x87 FPU and of SSE, as FXSAVE stores them (SDM volume 1, table 10-2).
public struct FloatingPointRegisters: Sendable {
    /// FCW: the control word of the x87 FPU.
    public var controlWord: UInt16 = 0
    /// FSW: the status word of the x87 FPU.
    public var statusWord: UInt16 = 0
    /// One bit for each x87 register that is not empty.
    public var tag: UInt8 = 0
    private var padding: UInt8 = 0
    /// FOP: the opcode of the last x87 instruction.
    public var lastOpcode: UInt16 = 0
    /// FIP: the address of the last x87 instruction.
    public var lastInstruction: UInt64 = 0
    /// FDP: the address of the operand of the last x87 instruction.
    public var lastData: UInt64 = 0
    /// MXCSR: the control and status register of SSE.
    public var mxcsr: UInt32 = 0
    private var mxcsrMask: UInt32 = 0
    /// The registers ST0 to ST7, each as ten bytes in two words.
    public var stack: [16 of UInt64] = .init(repeating: 0)
    /// The registers XMM0 to XMM15, each as two words.
    public var xmm: [32 of UInt64] = .init(repeating: 0)

    /// Creates registers of zero.
    public init() {}
}

/// What a vCPU does in KVM_RUN (`struct kvm_mp_state`).
public enum Activity: Sendable {
    /// The vCPU executes instructions.
    case runnable
    /// The vCPU was never started. It waits for an INIT, or has had the INIT and waits for a SIPI.
    case waitsForINIT, waitsForSIPI
    /// The vCPU has executed HLT and waits for an interrupt.
    case halted
}
