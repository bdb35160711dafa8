internal import Host
internal import KVM
internal import Synchronization

/// A vCPU, together with what other threads need in order to call it out of the guest, and with the counts of its exits.
///
/// Only its own thread writes to it on the way of an exit. The padding keeps it apart from what lies behind it in memory.
final class VCPU: Sendable {
    let cpu: VirtualCPU
    /// Whether its thread is in KVM_RUN, or about to enter it.
    let isInGuest = Atomic(false)
    /// The kernel's number of its thread, or 0 before it runs.
    let threadID = Atomic<Int32>(0)
    /// Whether its thread is in a device or function, which may keep it.
    let isInDevice = Atomic(false)
    let exits = ExitCounters()
    private let padding: InlineArray<16, UInt64> = .init(repeating: 0)

    init(_ cpu: consuming VirtualCPU) {
        self.cpu = cpu
    }

    /// Makes the vCPU leave the guest, or not enter it, until immediate_exit is cleared.
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

    /// Increases a counter. One thread writes, so a load and a store do.
    private static func increase(_ counter: borrowing Atomic<Int>) {
        counter.store(counter.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    /// Adds the counts until now to sums.
    func add(to counts: inout ExitCounts, unclaimed sum: inout UInt64) {
        counts.pio += pio.load(ordering: .relaxed)
        counts.mmio += mmio.load(ordering: .relaxed)
        counts.hlt += hlt.load(ordering: .relaxed)
        counts.irqWindow += irqWindow.load(ordering: .relaxed)
        counts.other += other.load(ordering: .relaxed)
        sum += UInt64(unclaimed.load(ordering: .relaxed))
    }
}

/// Holds the vCPUs of a machine outside KVM_RUN.
///
/// A slot change waits for every vCPU that is in the guest, for milliseconds each. So the thread that changes slots calls all of
/// them out once. It holds the machine lock. A vCPU outside KVM_RUN is parked already, whatever it does there: it calls `enter`
/// before it enters again, and then waits for the lock. docs/concurrency.md says why no vCPU is missed.
final class Parking: Sendable {
    private let isRequested = Atomic(false)
    private let isStopped = Atomic(false)
    private let left = Semaphore()

    /// Waits until no vCPU is in the guest. None enters it until `resume`.
    func park(_ vcpus: [VCPU]) {
        isRequested.store(true, ordering: .sequentiallyConsistent)
        for vcpu in vcpus where vcpu.isInGuest.load(ordering: .sequentiallyConsistent) {
            vcpu.interrupt()
        }
        for vcpu in vcpus {
            while vcpu.isInGuest.load(ordering: .sequentiallyConsistent) {
                left.wait()
            }
        }
    }

    /// Lets the vCPUs enter the guest again, unless the run has been ended.
    func resume(_ vcpus: [VCPU]) {
        for vcpu in vcpus {
            vcpu.cpu.setImmediateExit(false)
        }
        isRequested.store(false, ordering: .sequentiallyConsistent)
        // Whoever stopped the machine meanwhile had set immediate_exit, and it has just been taken back.
        if isStopped.load(ordering: .sequentiallyConsistent) {
            stop(vcpus)
        }
    }

    /// Lets no vCPU enter the guest any more. Those that are in it stay there until `stop`.
    func requestStop() {
        isStopped.store(true, ordering: .sequentiallyConsistent)
    }

    /// Calls all vCPUs out for good.
    func stop(_ vcpus: [VCPU]) {
        isStopped.store(true, ordering: .sequentiallyConsistent)
        for vcpu in vcpus {
            vcpu.interrupt()
        }
    }

    /// Whether the run has been ended.
    var hasStopped: Bool {
        isStopped.load(ordering: .sequentiallyConsistent)
    }

    /// The answer to a vCPU's thread that wants to enter the guest.
    enum Permission {
        case enter
        /// The thread waits for the machine lock and asks again.
        case wait
        case stop
    }

    /// Asks for permission to enter the guest. A vCPU that gets it counts as in the guest until `leave`.
    func enter(_ vcpu: VCPU) -> Permission {
        vcpu.isInGuest.store(true, ordering: .sequentiallyConsistent)
        if isStopped.load(ordering: .sequentiallyConsistent) {
            leave(vcpu)
            return .stop
        }
        if isRequested.load(ordering: .sequentiallyConsistent) {
            leave(vcpu)
            return .wait
        }
        return .enter
    }

    /// Says that a vCPU has left the guest.
    func leave(_ vcpu: VCPU) {
        vcpu.isInGuest.store(false, ordering: .sequentiallyConsistent)
        if isRequested.load(ordering: .sequentiallyConsistent) {
            left.post()
        }
    }
}
