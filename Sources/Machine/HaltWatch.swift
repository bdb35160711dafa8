internal import Host
internal import KVM
internal import PCI
internal import Synchronization

/// A watch for a machine that has halted for good: all vCPUs have executed HLT while interrupts were off, or were never
/// started, and nothing can send them an NMI or an INIT.
///
/// KVM does not report HLT if it has the interrupt controllers. So when no vCPU has made an exit for a while, the watch calls
/// the vCPUs out of the guest and looks at their states. The time between two looks grows as long as no vCPU makes an exit.
struct HaltWatch: ~Copyable {
    private unowned let machine: GuestMachine
    private var exits: [Int]
    private var period = Self.shortest
    /// The time of the next look, or nil if KVM reports HLT itself.
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

    /// Returns whether all vCPUs have halted for good, and sets the time of the next look.
    mutating func check() -> Bool {
        let present = machine.vcpus.map { $0.exits.sum }
        let isQuiet = present == exits && machine.vcpus.allSatisfy { $0.isInGuest.load(ordering: .relaxed) }
        exits = present
        period = isQuiet ? min(period * 2, Self.longest) : Self.shortest
        defer { next = .now + period }
        guard isQuiet, machine.debugger.withLock({ $0 == nil }) else { return false }
        // The machine lock is held while the vCPUs are parked, as during any change.
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

    /// Whether no interrupt but an NMI wakes the vCPU. Interrupts wake a guest of the guest even if its interrupt flag is
    /// clear. So there must be no such guest: CR4.VMXE and EFER.SVME must be clear.
    fileprivate var hasInterruptsOff: Bool {
        guard let registers = try? cpu.generalRegisters(), let system = try? cpu.systemRegisters() else { return false }
        let canHaveGuests = system.cr4 & 1 << 13 != 0 || system.efer & 1 << 12 != 0
        return registers.rflags & 1 << 9 == 0 && !canHaveGuests
    }
}

extension GuestMachine {
    /// Whether an interrupt line or the timer can send an NMI, an SMI or an INIT. No vCPU must be in KVM_RUN.
    fileprivate var linesCanWake: Bool {
        // An entry has a delivery mode, and its mask in bit 16 (SDM volume 3A, 11.5.1; 82093AA data sheet, 3.2.4).
        func wakes(_ entry: UInt64) -> Bool { entry & 1 << 16 == 0 && MSIMessage.wakesHalted(entry) }
        if owned.vm.redirectionTable().contains(where: wakes) { return true }
        // The timer reaches local interrupt pin 0 of each local APIC.
        let pins = vcpus.compactMap { $0.cpu.localAPICRegister(at: 0x350) }
        return layout.configuration.hasTimer && pins.contains { wakes(UInt64($0)) }
    }
}
