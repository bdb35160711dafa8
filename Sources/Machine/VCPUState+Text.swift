public import Images
internal import KVM
internal import Memslots

extension VCPUState {
    /// Returns the state for people, in several lines.
    ///
    /// - Parameter symbols: The symbols of the guest's file.
    public func text(symbols: SymbolTable? = nil) -> String {
        guard !wasNeverStarted else { return "vCPU \(id) was never started" }
        var lines = [
            "vCPU \(id), \(modeName), cs:rip \(hex(UInt64(system.cs.selector), 4)):\(hex(registers.rip))\(place(instructionAddress, symbols))"
                + ", rflags \(hex(registers.rflags, 8))"
        ]
        if isKept { lines.append("  a device keeps it in the middle of an access") }
        if activity == .halted {
            lines.append("  it has executed HLT, with interrupts \(registers.rflags & 1 << 9 == 0 ? "off" : "on")")
        }
        lines += registerLines
        if hasFaulted, unemulated == nil || exception != nil {
            lines.append("  exception: \(exception ?? "not known")")
        }
        lines.append("  bytes at the instruction pointer: " + (instruction.isEmpty ? "not mapped" : bytes(instruction)))
        if let unemulated, vectorOfInstruction != Self.invalidOpcode {
            lines.append(
                "  KVM's emulator stopped at: \(bytes(unemulated.isEmpty ? instruction : unemulated)) in \(modeName); KVM on hardware "
                    + "would run it, unless it accessed device memory, or the processor itself refuses it")
        }
        if isReset {
            lines.append("  this is the state after a reset: KVM on AMD resets a vCPU that has met a triple fault")
        }
        lines += stackLines(symbols)
        lines.append(
            "  exits: \(exits.pio) of ports, \(exits.mmio) of memory; last device access: \(lastAccess ?? "none")")
        return lines.joined(separator: "\n")
    }

    /// The general and the control registers with their names.
    public var namedRegisters: [(name: String, value: UInt64)] {
        GeneralRegisters.Name.allCases.map { ($0.wholeName, registers[$0]) } + [
            ("cr0", system.cr0), ("cr2", system.cr2), ("cr3", system.cr3), ("cr4", system.cr4), ("efer", system.efer),
            ("rflags", registers.rflags),
        ]
    }

    private var registerLines: [String] {
        stride(from: 0, to: 16, by: 4).map { row in
            "  "
                + namedRegisters[row..<row + 4].map { "\($0.name)\($0.name.count < 3 ? " " : "") \(hex($0.value))" }
                .joined(separator: "  ")
        } + [
            "  cr0 \(hex(system.cr0, 8))  cr2 \(hex(system.cr2))  cr3 \(hex(system.cr3))  cr4 \(hex(system.cr4, 8))"
                + "  efer \(hex(system.efer, 4))"
        ]
    }

    /// Returns the lines for the words on the stack: up to four words in a line. A word that is an address in the guest's code
    /// has a line of its own, with the symbol.
    private func stackLines(_ symbols: SymbolTable?) -> [String] {
        guard !stack.isEmpty else { return ["  stack: not mapped"] }
        var lines: [String] = []
        var row: [String] = []
        func flush() {
            if !row.isEmpty { lines.append("    " + row.joined(separator: "  ")) }
            row = []
        }
        for word in stack {
            let text = hex(word, system.wordSize * 2)
            let place = place(word, symbols)
            if place.isEmpty {
                row.append(text)
                if row.count == 4 { flush() }
            } else {
                flush()
                lines.append("    \(text)\(place)")
            }
        }
        flush()
        return ["  stack, from its top:"] + lines
    }

    private func place(_ address: UInt64, _ symbols: SymbolTable?) -> String {
        symbols?.name(at: address).map { " <\($0)>" } ?? ""
    }

    private func hex(_ value: UInt64, _ digits: Int = 16) -> String {
        hexadecimal(value, digits: digits)
    }

    private func bytes(_ bytes: [UInt8]) -> String {
        bytes.map { hex(UInt64($0), 2) }.joined(separator: " ")
    }
}

extension VCPUState {
    /// The exception that stopped the vCPU, as far as it can be known. KVM names an exception that it was about to deliver.
    /// Otherwise the instruction and CR2 tell. It is nil if nothing tells, for example because KVM has reset the vCPU.
    public var exception: String? {
        guard hasFaulted, !isReset else { return nil }
        let reason = lacksSSE ? ": SSE is off (CR4.OSFXSR)" : ""
        if let pendingException { return Self.name(ofException: pendingException) + reason }
        if let vector = vectorOfInstruction, unemulated == nil || vector == Self.invalidOpcode {
            return Self.name(ofException: vector) + ", by the instruction" + reason
        }
        guard system.cr0 & 1 << 31 != 0, system.cr2 != 0, !isFaultAddressMapped else { return nil }
        return "perhaps " + Self.name(ofException: 14) + ": the address in cr2 is not mapped"
    }

    private static let invalidOpcode: UInt8 = 6

    /// The vector of the exception that the instruction at the instruction pointer always raises, or nil.
    private var vectorOfInstruction: UInt8? {
        switch (instruction.first, instruction.dropFirst().first) {
        case (0x0f, 0x0b): Self.invalidOpcode  // UD2
        case (0xcc, _): 3  // INT3
        case (0xf1, _): 1  // INT1
        case (0xcd, let vector?): vector  // INT n
        default: lacksSSE ? Self.invalidOpcode : dividesByZero ? 0 : nil
        }
    }

    /// Whether the instruction is one of SSE, which is off (SDM volume 3A, section 2.5).
    private var lacksSSE: Bool {
        let prefixes = instruction.prefix { [0x66, 0xf2, 0xf3].contains($0) }
        let rest = instruction.dropFirst(prefixes.count)
        let code = rest.dropFirst(system.is64Bit && rest.first.map { $0 & 0xf0 == 0x40 } == true ? 1 : 0)
        guard system.cr4 & 1 << 9 == 0, code.first == 0x0f, let opcode = code.dropFirst().first else { return false }
        // Without a prefix, the others are instructions of MMX.
        return [0x10...0x17, 0x28...0x2f, 0x50...0x5f, 0xc2...0xc2, 0xc6...0xc6].contains { $0.contains(opcode) }
            || !prefixes.isEmpty && [0x60...0x7f, 0xd0...0xfe].contains { $0.contains(opcode) }
    }

    /// Whether the instruction is a DIV or IDIV by a register that is 0, of 32 or 64 bits.
    private var dividesByZero: Bool {
        let rex = instruction.first.flatMap { system.is64Bit && $0 & 0xf0 == 0x40 ? $0 : nil }
        let code = instruction.dropFirst(rex == nil ? 0 : 1)
        guard code.first == 0xf7, let modRM = code.dropFirst().first, modRM >= 0xf0 else { return false }
        let r = registers
        let numbered = [
            r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14,
            r.r15,
        ]
        let value = numbered[Int(modRM & 7) + ((rex ?? 0) & 1 == 0 ? 0 : 8)]
        return (rex ?? 0) & 8 == 0 ? value & 0xffff_ffff == 0 : value == 0
    }

    /// Returns the name of an exception (SDM volume 3A, table 6-1).
    static func name(ofException vector: UInt8) -> String {
        let names: [UInt8: String] = [
            0: "#DE, divide error", 1: "#DB, debug", 2: "NMI", 3: "#BP, breakpoint", 4: "#OF, overflow",
            5: "#BR, bound range",
            6: "#UD, invalid opcode", 7: "#NM, no x87", 8: "#DF, double fault", 10: "#TS, invalid TSS",
            11: "#NP, segment not present", 12: "#SS, stack fault", 13: "#GP, general protection",
            14: "#PF, page fault",
            16: "#MF, x87 error", 17: "#AC, alignment check", 18: "#MC, machine check", 19: "#XM, SIMD error",
            20: "#VE, virtualization", 21: "#CP, control protection",
        ]
        return names[vector] ?? "vector \(vector)"
    }
}

extension VCPUState: CustomStringConvertible {
    /// The state for people, without symbols.
    public var description: String { text() }
}
