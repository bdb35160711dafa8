// KVM fills and reads these structures in place: their fields are those of the kernel's structures, in the same order.

/// The general registers (`struct kvm_regs`).
public struct GeneralRegisters: Equatable, Sendable {
    public var rax: UInt64 = 0
    public var rbx: UInt64 = 0
    public var rcx: UInt64 = 0
    public var rdx: UInt64 = 0
    public var rsi: UInt64 = 0
    public var rdi: UInt64 = 0
    public var rsp: UInt64 = 0
    public var rbp: UInt64 = 0
    public var r8: UInt64 = 0
    public var r9: UInt64 = 0
    public var r10: UInt64 = 0
    public var r11: UInt64 = 0
    public var r12: UInt64 = 0
    public var r13: UInt64 = 0
    public var r14: UInt64 = 0
    public var r15: UInt64 = 0
    public var rip: UInt64 = 0
    /// Bit 1 is always set (SDM volume 1, 3.4.3).
    public var rflags: UInt64 = 2

    public init() {}
}

extension GeneralRegisters {
    /// The name of a general register, without the letter for its width.
    public enum Name: String, CaseIterable, Sendable {
        case ax, bx, cx, dx, si, di, sp, bp, r8, r9, r10, r11, r12, r13, r14, r15

        /// Finds a register by one of its names for 16, 32 and 64 bits: `ax`, `eax` and `rax` are one register.
        public init?(anyWidth name: String) {
            let short = ["e", "r"].contains { name.hasPrefix($0) } ? String(name.dropFirst()) : name
            guard let register = Name(rawValue: name) ?? Name(rawValue: short) else { return nil }
            self = register
        }

        var path: WritableKeyPath<GeneralRegisters, UInt64> {
            switch self {
            case .ax: \.rax
            case .bx: \.rbx
            case .cx: \.rcx
            case .dx: \.rdx
            case .si: \.rsi
            case .di: \.rdi
            case .sp: \.rsp
            case .bp: \.rbp
            case .r8: \.r8
            case .r9: \.r9
            case .r10: \.r10
            case .r11: \.r11
            case .r12: \.r12
            case .r13: \.r13
            case .r14: \.r14
            case .r15: \.r15
            }
        }
    }

    /// The register with a name.
    public subscript(name: Name) -> UInt64 {
        get { self[keyPath: name.path] }
        set { self[keyPath: name.path] = newValue }
    }
}

/// A segment register with its hidden part (`struct kvm_segment`; SDM volume 3A, 3.4.3).
public struct SegmentRegister: Sendable {
    public var base: UInt64 = 0
    /// In bytes, whatever the granularity.
    public var limit: UInt32 = 0
    public var selector: UInt16 = 0
    public var type: UInt8 = 0
    @ByteFlag public var isPresent
    public var privilegeLevel: UInt8 = 0
    /// D/B: 32-bit operands and addresses.
    @ByteFlag public var is32Bit
    /// S: code or data, not a system segment.
    @ByteFlag public var isCodeOrData
    /// L: 64-bit code.
    @ByteFlag public var is64Bit
    /// G: the limit was given in pages.
    @ByteFlag public var hasPageGranularity
    private var available: UInt8 = 0
    // KVM takes a segment that is not present for unusable, whatever stands here.
    private var unusable: UInt8 = 0
    private var padding: UInt8 = 0

    public init() {}
}

/// A flag in a byte of its own. Every byte but zero means true, so that each one that the kernel may write has a meaning.
@propertyWrapper
public struct ByteFlag: Sendable {
    private var byte: UInt8 = 0

    public var wrappedValue: Bool {
        get { byte != 0 }
        set { byte = newValue ? 1 : 0 }
    }

    public init() {}
}

/// Where the GDT or IDT lies (`struct kvm_dtable`).
public struct DescriptorTable: Sendable {
    public var base: UInt64 = 0
    /// The last byte's offset.
    public var limit: UInt16 = 0
    private var padding: [3 of UInt16] = .init(repeating: 0)

    public init() {}
}

/// Segments, tables and control registers (`struct kvm_sregs`).
public struct SystemRegisters: Sendable {
    public var cs = SegmentRegister()
    public var ds = SegmentRegister()
    public var es = SegmentRegister()
    public var fs = SegmentRegister()
    public var gs = SegmentRegister()
    public var ss = SegmentRegister()
    public var tr = SegmentRegister()
    public var ldt = SegmentRegister()
    public var gdt = DescriptorTable()
    public var idt = DescriptorTable()
    public var cr0: UInt64 = 0
    public var cr2: UInt64 = 0
    public var cr3: UInt64 = 0
    public var cr4: UInt64 = 0
    public var cr8: UInt64 = 0
    public var efer: UInt64 = 0
    public var apicBase: UInt64 = 0
    /// Whether the vCPU executes 64-bit code: CS.L, where EFER.LMA says that long mode is active.
    public var is64Bit: Bool { cs.is64Bit && efer & 1 << 10 != 0 }

    /// The bytes of a word on the stack: 2, 4 or 8.
    public var wordSize: Int { is64Bit ? 8 : ss.is32Bit ? 4 : 2 }

    /// The linear address of an instruction by its offset in the code segment. In 64-bit mode the segment begins at 0.
    public func linearAddress(ofInstruction offset: UInt64) -> UInt64 {
        is64Bit ? offset : (cs.base &+ offset) & 0xffff_ffff
    }

    /// A bit for each external interrupt that is pending.
    var interrupts: [4 of UInt64] = .init(repeating: 0)

    public init() {}
}

/// The registers of the x87 and of SSE, as FXSAVE stores them (SDM volume 1, table 10-2).
public struct FloatingPointRegisters: Sendable {
    public var controlWord: UInt16 = 0
    public var statusWord: UInt16 = 0
    /// A bit for each register that is not empty.
    public var tag: UInt8 = 0
    private var padding: UInt8 = 0
    public var lastOpcode: UInt16 = 0
    public var lastInstruction: UInt64 = 0
    public var lastData: UInt64 = 0
    public var mxcsr: UInt32 = 0
    private var mxcsrMask: UInt32 = 0
    /// ST0 to ST7, ten bytes each in two words.
    public var stack: [16 of UInt64] = .init(repeating: 0)
    /// XMM0 to XMM15, two words each.
    public var xmm: [32 of UInt64] = .init(repeating: 0)

    public init() {}
}

/// What a vCPU does in KVM_RUN (`struct kvm_mp_state`).
public enum Activity: Sendable {
    case runnable
    /// It was never started: it waits for an INIT, or for a SIPI behind it.
    case waitsForINIT, waitsForSIPI
    /// It has executed HLT and waits for an interrupt.
    case halted
}
