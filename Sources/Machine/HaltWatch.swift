internal import Host
internal import KVM
internal import PCI
internal import Synchronization

/// Finds out that all vCPUs of a machine have halted for good: they have executed HLT while interrupts were off, or were never started, and
/// nothing can send them an NMI or an INIT.
///
/// KVM does not tell of HLT where it has the interrupt controllers. So when no vCPU has made an exit for a while, the vCPUs are called out and
/// their states are looked at. The time between two such looks grows as long as they find nothing.
struct HaltWatch: ~Copyable {
    private unowned let machine: GuestMachine
    private var exits: [Int]
    private var period = Self.shortest
    /// The time of the next look, or nil if KVM tells of HLT itself.
    private(set) var next: SuspendingClock.Instant?

    /// Whether it is time for the next look.
    var isDue: Bool { next.map { $0 <= .now } ?? false }

    private static let shortest = Duration.milliseconds(100)
    private static let longest = Duration.seconds(5)

    init(machine: GuestMachine) {
        self.machine = machine
        exits = []
        if machine.layout.configuration.interruptController == .kernel { next = .now + period }
    }

    /// Looks whether all vCPUs have halted for good.
    mutating func check() -> Bool {
        let present = machine.vcpus.map { $0.exits.sum }
        let isQuiet = present == exits && machine.vcpus.allSatisfy { $0.isInGuest.load(ordering: .relaxed) }
        exits = present
        period = isQuiet ? min(period * 2, Self.longest) : Self.shortest
        defer { next = .now + period }
        guard isQuiet, machine.debugger.withLock({ $0 == nil }) else { return false }
        // The lock is held while the vCPUs are parked, as for any change.
        let (hasHalted, functions) = machine.state.withLock { state in
            machine.parking.park(machine.vcpus)
            defer { machine.parking.resume() }
            let hasHalted = machine.vcpus.allSatisfy(\.hasHaltedForGood) && !machine.linesCanWake
            return (hasHalted, Array(state.functions.values))
        }
        return hasHalted && !functions.contains { $0.withFunction { $0.canWakeHalted } ?? false }
    }
}

extension VCPU {
    /// Whether only an NMI or an INIT can make the vCPU go on, and none is pending. It must not be in KVM_RUN.
    fileprivate var hasHaltedForGood: Bool {
        switch cpu.activity() {
        case .waitsForINIT, .waitsForSIPI: true
        case .halted: hasInterruptsOff && !cpu.pendingEvents().hasNMI
        case .runnable, nil: false
        }
    }

    /// Whether no interrupt but an NMI wakes the vCPU. Interrupts wake a guest of the guest whatever its own flag says, so there must be none: the bits
    /// are CR4.VMXE and EFER.SVME.
    fileprivate var hasInterruptsOff: Bool {
        guard let registers = try? cpu.generalRegisters(), let system = try? cpu.systemRegisters() else { return false }
        let canHaveGuests = system.cr4 & 1 << 13 != 0 || system.efer & 1 << 12 != 0
        return registers.rflags & 1 << 9 == 0 && !canHaveGuests
    }
}

extension GuestMachine {
    /// Whether an interrupt line or the timer can send an NMI, an SMI or an INIT. No vCPU must be in KVM_RUN.
    fileprivate var linesCanWake: Bool {
        // Delivery mode, and the mask in bit 16 (SDM volume 3A, 11.5.1; 82093AA data sheet, 3.2.4).
        func wakes(_ entry: UInt64) -> Bool { entry & 1 << 16 == 0 && MSIMessage.wakesHalted(entry) }
        if owned.vm.redirectionTable().contains(where: wakes) { return true }
        // The timer reaches local interrupt pin 0 of each local APIC.
        let pins = vcpus.compactMap { $0.cpu.localAPICRegister(at: 0x350) }
        return layout.configuration.hasTimer && pins.contains { wakes(UInt64($0)) }
    }
}
