internal import Host
internal import KVM
internal import Synchronization

/// A vCPU, with the flags by which other threads call it out of the guest, and with the counts of its exits.
///
/// On the way of an exit only the vCPU's own thread writes to this object. The padding keeps it apart from the next object in memory.
final class VCPU: Sendable {
    let cpu: VirtualCPU
    /// Whether its thread is in KVM_RUN, or about to enter it.
    let isInGuest = Atomic(false)
    /// The kernel's number of its thread, or 0 before it runs.
    let threadID = Atomic<Int32>(0)
    /// Whether its thread is in a device or function, which may keep it.
    let isInDevice = Atomic(false)
    /// Whether the vCPU is to be held. It is written under `control`.
    let hasRequest = Atomic(false)
    let control = Monitor(VCPUControl())
    let exits = ExitCounters()
    private let padding: InlineArray<16, UInt64> = .init(repeating: 0)

    init(_ cpu: consuming VirtualCPU) {
        self.cpu = cpu
    }

    /// Makes the vCPU leave the guest, or come back at once when it next enters. The vCPU's thread clears immediate_exit after that.
    func interrupt() {
        cpu.setImmediateExit(true)
        HostThread.kick(id: threadID.load(ordering: .acquiring))
    }
}

/// The counts of one vCPU's exits by kind. Only its thread writes them. Other threads may read them at any time.
struct ExitCounters: ~Copyable, Sendable {
    private let pio = Atomic(0)
    private let mmio = Atomic(0)
    private let hlt = Atomic(0)
    private let irqWindow = Atomic(0)
    private let other = Atomic(0)
    private let unclaimed = Atomic(0)

    func count(_ exit: Exit) {
        switch exit {
        case .port: Self.increase(pio)
        case .memory: Self.increase(mmio)
        case .halt: Self.increase(hlt)
        case .interruptWindow: Self.increase(irqWindow)
        default: Self.increase(other)
        }
    }

    func countUnclaimed() {
        Self.increase(unclaimed)
    }

    /// Increases a counter. Only one thread writes it, so a load and a store are enough.
    private static func increase(_ counter: borrowing Atomic<Int>) {
        counter.store(counter.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    /// The number of accesses to ports and memory and of HLT until now.
    var sum: Int {
        pio.load(ordering: .relaxed) &+ mmio.load(ordering: .relaxed) &+ hlt.load(ordering: .relaxed)
    }

    /// The exits until now.
    var counts: ExitCounts {
        ExitCounts(
            pio: pio.load(ordering: .relaxed), mmio: mmio.load(ordering: .relaxed), hlt: hlt.load(ordering: .relaxed),
            irqWindow: irqWindow.load(ordering: .relaxed), other: other.load(ordering: .relaxed))
    }

    /// The accesses until now that nobody has answered.
    var unclaimedCount: UInt64 { UInt64(unclaimed.load(ordering: .relaxed)) }
}
