internal import KVM
internal import Memslots

/// The state of a vCPU at the end of a run, for people who want to know what its guest was doing.
public struct VCPUState: Sendable {
    let id: UInt32
    let registers: GeneralRegisters
    let system: SystemRegisters
    /// The bytes at the instruction pointer, as far as they can be read.
    let instruction: [UInt8]
    /// The instruction that KVM's emulator could not do, empty if KVM does not tell, or nil if that is not why the run ended.
    let unemulated: [UInt8]?
    let lastAccess: String?
}

extension VCPUState: CustomStringConvertible {
    public var description: String {
        var lines = [
            "vCPU \(id), \(modeName), cs:rip \(hex(UInt64(system.cs.selector), 4)):\(hex(registers.rip)), rflags \(hex(registers.rflags, 8))"
        ]
        let r = registers
        let general: [(String, UInt64)] = [
            ("rax", r.rax), ("rbx", r.rbx), ("rcx", r.rcx), ("rdx", r.rdx),
            ("rsi", r.rsi), ("rdi", r.rdi), ("rbp", r.rbp), ("rsp", r.rsp),
            ("r8 ", r.r8), ("r9 ", r.r9), ("r10", r.r10), ("r11", r.r11),
            ("r12", r.r12), ("r13", r.r13), ("r14", r.r14), ("r15", r.r15),
        ]
        for row in stride(from: 0, to: general.count, by: 4) {
            lines.append("  " + general[row..<row + 4].map { "\($0.0) \(hex($0.1))" }.joined(separator: "  "))
        }
        lines.append(
            "  cr0 \(hex(system.cr0, 8))  cr2 \(hex(system.cr2))  cr3 \(hex(system.cr3))  cr4 \(hex(system.cr4, 8))"
                + "  efer \(hex(system.efer, 4))")
        lines.append("  bytes at the instruction pointer: " + (instruction.isEmpty ? "not mapped" : bytes(instruction)))
        if let unemulated {
            let instruction = unemulated.isEmpty ? instruction : unemulated
            lines.append(
                "  KVM's emulator stopped at: \(bytes(instruction)) in \(modeName); KVM on hardware would run it, "
                    + "unless it was for device memory")
        }
        if isReset {
            lines.append("  this is the state after a reset: KVM on AMD resets a vCPU that has met a triple fault")
        }
        lines.append("  last device access: \(lastAccess ?? "none")")
        return lines.joined(separator: "\n")
    }

    /// Whether the vCPU stands at the reset vector (SDM volume 3A, 10.1.4), where no guest here starts. The vCPUs behind the first
    /// stand there until the guest starts them.
    private var isReset: Bool {
        id == 0 && system.cs.selector == 0xf000 && registers.rip == 0xfff0
    }

    private var modeName: String {
        if system.cs.is64Bit, system.efer & 1 << 10 != 0 { return "64-bit long mode" }
        if system.cr0 & 1 == 0 { return "16-bit real mode" }
        return system.cs.is32Bit ? "32-bit protected mode" : "16-bit protected mode"
    }

    private func hex(_ value: UInt64, _ digits: Int = 16) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    private func bytes(_ bytes: [UInt8]) -> String {
        bytes.map { hex(UInt64($0), 2) }.joined(separator: " ")
    }
}
