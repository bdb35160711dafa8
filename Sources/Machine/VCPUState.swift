internal import Host
public import KVM

/// The state of a vCPU at the end of a run, for people who want to know what its guest was doing.
public struct VCPUState: Sendable {
    /// The APIC id.
    public let id: UInt32
    /// The general registers.
    public let registers: GeneralRegisters
    /// The system registers.
    public let system: SystemRegisters
    /// What the vCPU did when it last ran, or nil if KVM does not tell.
    public let activity: Activity?
    /// Whether a fault of this vCPU ended the run.
    public let hasFaulted: Bool
    /// Whether a device kept the vCPU at the end of the run.
    public let isKept: Bool
    /// The bytes at the instruction pointer, as far as they can be read, at most 15.
    public let instruction: [UInt8]
    /// The instruction that KVM's emulator could not do. It is empty if KVM does not tell, and nil if the run did not end for that.
    public let unemulated: [UInt8]?
    /// The words on top of the stack, as far as they can be read, at most 16.
    public let stack: [UInt64]
    /// The vector of an exception that KVM was about to deliver, or nil.
    public let pendingException: UInt8?
    /// Whether the linear address in CR2, at which the last page fault was, is mapped.
    public let isFaultAddressMapped: Bool
    /// The last exit for an access, for people, or nil if there was none.
    public let lastAccess: String?
    /// The exits of this vCPU.
    public let exits: ExitCounts

    static let stackWords = 16

    /// The linear address of the next instruction.
    public var instructionAddress: UInt64 { system.linearAddress(ofInstruction: registers.rip) }
    /// Whether the vCPU waited to be started.
    public var wasNeverStarted: Bool {
        switch activity {
        case .waitsForINIT, .waitsForSIPI: true
        case .runnable, .halted, nil: false
        }
    }

    /// Whether the vCPU is at the reset vector (SDM volume 3A, 10.1.4), where no guest here starts.
    public var isReset: Bool {
        !wasNeverStarted && system.cs.selector == 0xf000 && registers.rip == 0xfff0
    }

    /// The name of the vCPU's mode.
    public var modeName: String {
        if system.is64Bit { return "64-bit long mode" }
        if system.cr0 & 1 == 0 { return "16-bit real mode" }
        return system.cs.is32Bit ? "32-bit protected mode" : "16-bit protected mode"
    }
}

extension GuestMachine {
    /// Returns the states of the vCPUs if the guest did not end by its own will, otherwise none. The vCPU that ended the run comes first.
    func states(endedBy first: UInt32?) -> [VCPUState] {
        guard let outcome = run.withLock({ $0.outcome }), !outcome.isOrderly else { return [] }
        // The registers of a vCPU that a device keeps can be read as well, once the vCPU is to be held.
        for vcpu in vcpus { vcpu.requestHold(by: .debugger) }
        let states = vcpus.compactMap { state(of: $0, hasFaulted: outcome.isFault && $0.cpu.id == first) }
        return states.filter { $0.id == first } + states.filter { $0.id != first }
    }

    /// Returns the state of a vCPU that runs no more or is kept by a device, or nil if KVM does not tell.
    private func state(of vcpu: VCPU, hasFaulted: Bool) -> VCPUState? {
        let control = vcpu.control.withLock { $0 }
        let id = Int(vcpu.cpu.id)
        guard let registers = try? vcpu.cpu.generalRegisters(), let system = try? vcpu.cpu.systemRegisters() else {
            return nil
        }
        let code = system.linearAddress(ofInstruction: registers.rip)
        // An instruction has at most 15 bytes. Fewer are read if fewer are mapped.
        let instruction = (try? read(count: 15, atLinear: code, on: id)) ?? []
        let size = system.wordSize
        let top =
            size == 8
            ? registers.rsp : system.ss.base &+ (size == 4 ? registers.rsp & 0xffff_ffff : registers.rsp & 0xffff)
        let stack = (try? read(count: VCPUState.stackWords * size, atLinear: top, on: id)) ?? []
        return VCPUState(
            id: vcpu.cpu.id, registers: registers, system: system, activity: vcpu.cpu.activity(),
            hasFaulted: hasFaulted, isKept: control.threadState == .running, instruction: instruction,
            unemulated: control.unemulated,
            stack: words(stack, of: size), pendingException: vcpu.cpu.pendingEvents().exception,
            isFaultAddressMapped: vcpu.cpu.physicalAddress(ofLinear: system.cr2) != nil,
            lastAccess: control.lastAccess.map { "\($0)" }, exits: vcpu.exits.counts)
    }

    private func words(_ bytes: [UInt8], of size: Int) -> [UInt64] {
        stride(from: 0, to: bytes.count / size * size, by: size).map { start in
            bytes[start..<start + size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
}
