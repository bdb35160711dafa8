import Devices
import Images
import Machine
import Memslots
import PCI

/// The machine code of a small guest for 32-bit protected mode without paging, at the usual load address.
struct GuestCode {
    private(set) var bytes: [UInt8] = []

    /// Words for the host to look at, in RAM that nothing else has.
    static let results: UInt32 = 0x20000
    static let flag: UInt32 = 0x20200
    static let token: UInt32 = 0x20300
    private static let finished: UInt32 = 0x20400
    private static let localAPIC: UInt32 = 0xfee0_0000

    init(_ body: (inout GuestCode) -> Void) {
        body(&self)
    }

    /// Code that all `vcpus` run, each with its APIC id in EBX. The run ends with status 0 when all are through.
    init(vcpus: Int, _ body: (inout GuestCode) -> Void) {
        store(0x1ff, at: Self.localAPIC + 0xf0)  // enabled
        store(0xc4500, at: Self.localAPIC + 0x300)  // INIT to all others
        store(0xc4611, at: Self.localAPIC + 0x300)  // SIPI, page 0x11
        bytes += [0xe9] + Self.word(0x11100 - 0x10000 - UInt32(bytes.count) - 5)  // jmp common
        pad(to: 0x1000)
        // 16-bit: cli; lgdt cs:[0x80]; mov eax, cr0; or al, 1; mov cr0, eax; jmp 8:common
        bytes += [0xfa, 0x2e, 0x66, 0x0f, 0x01, 0x16, 0x80, 0x00, 0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0]
        bytes += [0x66, 0xea] + Self.word(0x11100) + [0x08, 0x00]
        pad(to: 0x1080)
        bytes += [0x17, 0x00] + Self.word(0x500)  // the GDT that the machine prepares
        pad(to: 0x1100)
        // common: mov ax, 0x10; mov ds, ax; mov es, ax; mov ss, ax
        bytes += [0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0]
        bytes += [0x8b, 0x1d] + Self.word(Self.localAPIC + 0x20) + [0xc1, 0xeb, 24]  // mov ebx, [id]; shr ebx, 24
        body(&self)
        bytes += [0xf0, 0xff, 0x05] + Self.word(Self.finished)  // lock inc dword [finished]
        onVCPU(0) {
            $0.wait(until: Self.finished, is: UInt32(vcpus))
            $0.exit(0)
        }
        bytes += [0xfa, 0xf4, 0xeb, 0xfc]  // cli; hlt; jmp back
    }

    private mutating func pad(to offset: Int) {
        bytes += [UInt8](repeating: 0x90, count: offset - bytes.count)
    }

    private static func word(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    // MARK: Memory and ports

    /// mov dword [address], value
    mutating func store(_ value: UInt32, at address: UInt32) {
        bytes += [0xc7, 0x05] + Self.word(address) + Self.word(value)
    }

    /// mov byte [address], value
    mutating func storeByte(_ value: UInt8, at address: UInt32) {
        bytes += [0xc6, 0x05] + Self.word(address) + [value]
    }

    /// mov eax, [address]
    mutating func load(_ address: UInt32) {
        bytes += [0xa1] + Self.word(address)
    }

    /// mov [results + 4 * index], eax
    mutating func keep(_ index: UInt32) {
        bytes += [0xa3] + Self.word(Self.results + 4 * index)
    }

    /// mov eax, value
    mutating func set(_ value: UInt32) {
        bytes += [0xb8] + Self.word(value)
    }

    /// mov edx, port; out dx, eax
    mutating func out(_ port: UInt32) {
        bytes += [0xba] + Self.word(port) + [0xef]
    }

    /// mov al, value; mov edx, port; out dx, al
    mutating func outByte(_ value: UInt8, _ port: UInt32) {
        bytes += [0xb0, value, 0xba] + Self.word(port) + [0xee]
    }

    /// mov edx, port; in al, dx
    mutating func inByte(_ port: UInt32) {
        bytes += [0xba] + Self.word(port) + [0xec]
    }

    /// Writes AL to port `first` + 16 * the vCPU's id: mov edx, ebx; shl edx, 4; add edx, first; out dx, al
    mutating func outToOwnPort(from first: UInt32) {
        bytes += [0x89, 0xda, 0xc1, 0xe2, 4, 0x81, 0xc2] + Self.word(first) + [0xee]
    }

    /// Writes a letter that is the vCPU's own: mov al, 'a'; add al, bl; mov edx, port; out dx, al
    mutating func outLetter(_ port: UInt32) {
        bytes += [0xb0, 0x61, 0x00, 0xd8, 0xba] + Self.word(port) + [0xee]
    }

    /// Writes what is left to do in `repeated`, six bits of it, and above them the vCPU's id:
    /// mov eax, esi; and al, 0x3f; mov cl, bl; shl cl, 6; or al, cl; mov edx, port; out dx, al
    mutating func outCount(_ port: UInt32) {
        bytes += [0x89, 0xf0, 0x24, 0x3f, 0x88, 0xd9, 0xc0, 0xe1, 6, 0x08, 0xc8, 0xba] + Self.word(port) + [0xee]
    }

    mutating func exit(_ status: UInt8) {
        bytes += TinyGuest.exit(status)
    }

    // MARK: Configuration space, through 0xcf8 and 0xcfc

    mutating func writeConfiguration(_ value: UInt32, _ function: FunctionAddress, at register: UInt32) {
        select(function, register)
        set(value)
        out(0xcfc)
    }

    /// To EAX.
    mutating func readConfiguration(_ function: FunctionAddress, at register: UInt32) {
        select(function, register)
        bytes += [0xba] + Self.word(0xcfc) + [0xed]  // mov edx, 0xcfc; in eax, dx
    }

    private mutating func select(_ function: FunctionAddress, _ register: UInt32) {
        set(1 << 31 | UInt32(function.requesterID) << 8 | register)
        out(0xcf8)
    }

    // MARK: Control

    /// Runs a body so many times: mov esi, count; again: ...; dec esi; jnz again
    mutating func repeated(_ count: UInt32, _ body: (inout GuestCode) -> Void) {
        bytes += [0xbe] + Self.word(count)
        let again = bytes.count
        body(&self)
        bytes += [0x4e]
        jump([0x0f, 0x85], to: again)
    }

    /// Runs a body for ever.
    mutating func forever(_ body: (inout GuestCode) -> Void) {
        let again = bytes.count
        body(&self)
        jump([0xe9], to: again)
    }

    /// Runs a body on one vCPU only: cmp ebx, id; jne behind
    mutating func onVCPU(_ id: UInt8, _ body: (inout GuestCode) -> Void) {
        bytes += [0x83, 0xfb, id, 0x0f, 0x85]
        let body = GuestCode(at: bytes.count + 4, body)
        bytes += Self.word(UInt32(body.bytes.count)) + body.bytes
    }

    /// Runs a body where EAX is something else than this: cmp eax, value; je behind
    mutating func unless(_ value: UInt32, _ body: (inout GuestCode) -> Void) {
        bytes += [0x3d] + Self.word(value) + [0x0f, 0x84]
        let body = GuestCode(at: bytes.count + 4, body)
        bytes += Self.word(UInt32(body.bytes.count)) + body.bytes
    }

    /// Runs a body where EAX is this: cmp eax, value; jne behind
    mutating func ifEqual(_ value: UInt32, _ body: (inout GuestCode) -> Void) {
        bytes += [0x3d] + Self.word(value) + [0x0f, 0x85]
        let body = GuestCode(at: bytes.count + 4, body)
        bytes += Self.word(UInt32(body.bytes.count)) + body.bytes
    }

    /// again: pause; cmp dword [address], value; jne again
    mutating func wait(until address: UInt32, is value: UInt32) {
        let again = bytes.count
        bytes += [0xf3, 0x90, 0x81, 0x3d] + Self.word(address) + Self.word(value)
        jump([0x0f, 0x85], to: again)
    }

    /// Polls the second PIC until it has an interrupt other than its last, which it then takes for handled. Some kernels say the number of the
    /// interrupt without bit 7, which says that there is one; all say 7 if there is none:
    /// again: mov al, 0x0c; mov edx, 0xa0; out dx, al; in al, dx; cmp al, 7; jz again
    mutating func waitForSecondPIC() {
        bytes += [0xb0, 0x0c, 0xba] + Self.word(0xa0) + [0xee, 0xec, 0x3c, 0x07, 0x74, 0xf3]
    }

    /// Waits until a word is the vCPU's id: again: pause; cmp [address], ebx; jne again
    mutating func waitForTurn(at address: UInt32) {
        let again = bytes.count
        bytes += [0xf3, 0x90, 0x39, 0x1d] + Self.word(address)
        jump([0x0f, 0x85], to: again)
    }

    /// Gives a word the number of the next of `count` vCPUs, a power of two: lea eax, [ebx + 1]; and eax, count - 1; mov
    /// [address], eax
    mutating func passTurn(at address: UInt32, count: UInt8) {
        bytes += [0x8d, 0x43, 0x01, 0x83, 0xe0, count - 1, 0xa3] + Self.word(address)
    }

    /// A part of which jumps are relative, so that it does not matter where it lies.
    private init(at offset: Int, _ body: (inout GuestCode) -> Void) {
        body(&self)
    }

    private mutating func jump(_ opcode: [UInt8], to target: Int) {
        bytes += opcode
        bytes += Self.word(UInt32(truncatingIfNeeded: target - bytes.count - 4))
    }
}

extension GuestCode {
    /// A machine of so many vCPUs for this code.
    static func configuration(vcpus: Int = 1, policy: SlotPolicy = .separate) -> MachineConfiguration {
        MachineConfiguration(
            mode: .protected, vcpus: vcpus, interruptController: vcpus > 1 ? .kernel : .none, policy: policy)
    }
}

extension GuestMachine {
    /// The words that a guest kept.
    func results(_ count: Int) -> [UInt32] {
        guard let bytes = read(count: 4 * count, at: GuestAddress(UInt64(GuestCode.results))) else { return [] }
        return stride(from: 0, to: bytes.count, by: 4).map { index in
            bytes[index..<index + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    /// A register of 32 bits.
    func register(_ offset: UInt64, of function: FunctionAddress) -> UInt64 {
        readConfiguration(of: function, at: offset, width: .doubleword)
    }
}

extension FunctionAddress {
    /// A device of bus 0.
    init(device: UInt8) {
        self.init(requesterID: UInt16(device & 31) << 3)
    }
}
