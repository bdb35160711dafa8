internal import Host
internal import Images
internal import KVM
public import Machine
public import Memslots

/// The properties of a host's KVM. KVM reports some of them. The others are measured.
public struct ProbeResult: Codable, Sendable {
    /// The way in which a guest's instructions are carried out.
    public enum Execution: String, Codable, Sendable {
        /// The processor runs guests.
        case hardware
        /// KVM carries out each instruction in its emulator.
        case emulated
    }

    /// The version of the JSON, 1.
    public private(set) var schema = 1
    /// The version of the KVM API.
    public let apiVersion: Int
    /// The number of memslots that KVM offers (`KVM_CAP_NR_MEMSLOTS`).
    public let slotLimit: Int
    /// The number of the host's processors.
    public let cpus: Int
    /// The width of a guest-physical address in the CPUID that KVM supports.
    public let physicalAddressBits: Int
    /// The last guest-physical address that a slot may hold, in hexadecimal.
    public let highestSlotAddress: String
    /// The values of capabilities by their names in the KVM API. The value is 0 if KVM does not have the capability.
    public let capabilities: [String: Int]
    /// The way in which a guest's instructions are carried out, found by an instruction that the emulator does not know.
    public let execution: Execution
    /// The time of a `loop` instruction in the guest.
    public let nanosecondsPerInstruction: Double
    /// The time of a port access: from the guest to the monitor and back.
    public let microsecondsPerExit: Double
    /// The measured prices of changes of slots.
    public let slotCosts: SlotCosts
    /// The MMU that KVM uses.
    public let mmu: Footprint.MMU
}

/// The queries and measurements of a host's KVM.
public enum HostProbe {
    /// Asks KVM for its properties, and measures the others.
    public static func run() throws(MachineError) -> ProbeResult {
        let system = try reachable(try KVMSystem())
        var capabilities: [String: Int] = [:]
        for capability in Capability.all { capabilities[capability.name] = try kvm(try system.capability(capability)) }
        let instruction = try nanosecondsPerInstruction()
        let exit: [UInt8] = [0xe4, 0xe9, 0x67, 0xe2, 0xfb]  // in al, 0xe9; loop back to it, counting in ecx
        return ProbeResult(
            apiVersion: Int(KVMSystem.apiVersion), slotLimit: try kvm(try system.capability(.memslots)),
            cpus: HostThread.processorCount,
            physicalAddressBits: try kvm(try system.supportedCPUID()).physicalAddressBits,
            highestSlotAddress: hexadecimal(try highestGuestAddress(of: system)), capabilities: capabilities,
            execution: try execution(),
            nanosecondsPerInstruction: instruction,
            microsecondsPerExit: try seconds(each: exit, rounds: 2000) / 2000 * 1e6, slotCosts: try .measured(),
            mmu: .ofHost)
    }

    /// Finds out whether the processor or KVM's emulator carries out a guest's instructions.
    ///
    /// The answer does not depend on time, which other processes stretch: the guest executes an x87 instruction. Each x86-64
    /// processor has it, and KVM's emulator does not, so the emulator ends the run with `KVM_INTERNAL_ERROR_EMULATION`.
    public static func execution() throws(MachineError) -> ProbeResult.Execution {
        let code: [UInt8] = [0xd9, 0xeb, 0x30, 0xc0, 0xe6, 0xf4]  // fldpi; xor al, al; out 0xf4, al
        let report = try GuestMachine(MachineConfiguration(mode: .long), flat: code).run()
        if report.outcome == .exited(0) { return .hardware }
        guard report.vcpus.contains(where: { $0.unemulated != nil }) else {
            throw .experiment("a guest that tries the emulator ended otherwise: \(report.outcome)")
        }
        return .emulated
    }

    /// An instruction that jumps to itself and counts ecx down.
    private static let loop: [UInt8] = [0x67, 0xe2, 0xfd]

    /// Measures the time of one instruction by a loop. The loop is long enough not to be disturbed: thousands of rounds in the
    /// emulator, millions on hardware.
    private static func nanosecondsPerInstruction() throws(MachineError) -> Double {
        var rounds: UInt32 = 8000
        while true {
            let seconds = try seconds(each: loop, rounds: rounds)
            if seconds > 0.008 || rounds > 1_000_000 { return seconds / Double(rounds) * 1e9 }
            rounds *= 8
        }
    }

    /// Measures how many seconds a real-mode guest takes for `rounds` rounds of a loop.
    ///
    /// The time of a short loop is subtracted, because starting and ending a run takes time as well. Other processes can only
    /// make a run longer, so the shortest of several runs counts.
    private static func seconds(each body: [UInt8], rounds: UInt32) throws(MachineError) -> Double {
        let few: UInt32 = 100
        var (short, long) = (Double.infinity, Double.infinity)
        for _ in 0..<5 {
            short = min(short, try seconds(running: body, count: few))
            long = min(long, try seconds(running: body, count: few + rounds))
        }
        return max(0, long - short)
    }

    private static func seconds(running body: [UInt8], count: UInt32) throws(MachineError) -> Double {
        // mov ecx, count; body; xor al, al; out 0xf4, al
        let bytes = [0x66, 0xb9] + littleEndian(count) + body + [0x30, 0xc0, 0xe6, 0xf4]
        let machine = try GuestMachine(MachineConfiguration(mode: .real), flat: bytes)
        return try machine.run().duration.inSeconds
    }

    /// Finds the last guest-physical address that a slot may hold, by means of a new virtual machine.
    ///
    /// With nested paging, the limit is the width of the processor's physical addresses (CPUID 0x80000008). With shadow paging,
    /// it is the 52 bits that x86-64 can have.
    static func highestGuestAddress(of system: borrowing KVMSystem) throws(MachineError) -> UInt64 {
        let vm = try kvm(try system.makeVirtualMachine())
        let page = try host(try HostMemory(size: Page.size, inHugePages: false))
        defer { withExtendedLifetime(page) {} }
        var refusal: Int32 = 0
        for bits in stride(from: UInt64(52), through: 32, by: -1) {
            let last = (1 << bits) - Page.size
            let errno = vm.setMemoryRegion(
                slot: 0, flags: 0, guestAddress: last, size: Page.size, hostAddress: page.address)
            if errno == 0 { return (1 << bits) - 1 }
            refusal = errno
        }
        throw .kvmRequest(
            "KVM_SET_USER_MEMORY_REGION", "the end of every address space from 52 bits down to 32", errno: refusal)
    }
}
