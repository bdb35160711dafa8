internal import Host
internal import Images
internal import KVM
public import Machine
public import Memslots
internal import SystemPackage

/// What a host's KVM offers. KVM tells one part of it, and the rest is measured.
public struct ProbeResult: Codable, Sendable {
    public enum Execution: String, Codable, Sendable {
        /// The processor runs guests.
        case hardware
        /// KVM carries out each instruction in its emulator.
        case emulated
    }

    public private(set) var schema = 1
    public let apiVersion: Int
    /// `KVM_CAP_NR_MEMSLOTS`.
    public let slotLimit: Int
    public let cpus: Int
    public let physicalAddressBits: Int
    /// The last guest-physical address that KVM lets a slot hold, in hexadecimal.
    public let highestSlotAddress: String
    /// The values of capabilities by their names in the KVM API; 0 where KVM does not have one.
    public let capabilities: [String: Int]
    public let execution: Execution
    public let nanosecondsPerInstruction: Double
    /// The time of a port access: out of the guest, to the monitor and back.
    public let microsecondsPerExit: Double
    public let slotCosts: SlotCosts
    public let mmu: Footprint.MMU
}

/// Asks and measures a host's KVM.
public enum HostProbe {
    /// An instruction that takes this long is emulated: the processor takes a few nanoseconds, the emulator some hundred.
    private static let emulatedFromNanoseconds = 200.0

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
            execution: execution(instruction),
            nanosecondsPerInstruction: instruction,
            microsecondsPerExit: try seconds(each: exit, rounds: 2000) / 2000 * 1e6, slotCosts: try .measured(),
            mmu: .ofHost)
    }

    /// Finds out who carries out a guest's instructions. That is known at once on hardware, and takes less than a second otherwise.
    public static func execution() throws(MachineError) -> ProbeResult.Execution {
        // The emulator takes 130 ms for this loop. On hardware it ends at once, unless other processes take the processor away each time.
        let rounds: UInt32 = 100_000
        for _ in 0..<5 {
            let nanoseconds = try seconds(running: loop, count: rounds) * 1e9
            if execution(nanoseconds / Double(rounds)) == .hardware { return .hardware }
        }
        return .emulated
    }

    /// A loop to itself, counting in ecx.
    private static let loop: [UInt8] = [0x67, 0xe2, 0xfd]

    private static func execution(_ nanoseconds: Double) -> ProbeResult.Execution {
        nanoseconds < emulatedFromNanoseconds ? .hardware : .emulated
    }

    /// Measures an instruction with a loop that is long enough not to be disturbed: thousands of rounds in the emulator,
    /// millions on hardware.
    private static func nanosecondsPerInstruction() throws(MachineError) -> Double {
        var rounds: UInt32 = 8000
        while true {
            let seconds = try seconds(each: loop, rounds: rounds)
            if seconds > 0.008 || rounds > 1_000_000 { return seconds / Double(rounds) * 1e9 }
            rounds *= 8
        }
    }

    /// Measures the seconds that a real-mode guest takes for so many rounds of a loop.
    ///
    /// The time of a short loop is subtracted, because starting and ending a run takes time as well. Other processes only ever
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

    /// Finds the last guest-physical address that a slot may hold, with a machine of its own.
    ///
    /// With nested paging the processor's physical addresses limit it (CPUID 0x80000008), with shadow paging the 52 bits that
    /// x86-64 can have.
    static func highestGuestAddress(of system: borrowing KVMSystem) throws(MachineError) -> UInt64 {
        let vm = try kvm(try system.makeVirtualMachine())
        let page = try host(try MappedFile(name: "probe", capacity: Page.size))
        var refusal: Int32 = 0
        for bits in stride(from: UInt64(52), through: 32, by: -1) {
            let last = (1 << bits) - Page.size
            let errno = vm.setMemoryRegion(
                slot: 0, flags: 0, guestAddress: last, size: Page.size, hostAddress: page.address)
            if errno == 0 { return (1 << bits) - 1 }
            refusal = errno
        }
        throw .kvm(
            KVMError(
                request: "KVM_SET_USER_MEMORY_REGION",
                subject: "the end of every address space from 52 bits down to 32", errno: Errno(rawValue: refusal)))
    }
}
