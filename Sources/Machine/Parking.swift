internal import Host
internal import KVM
internal import Synchronization

/// A vCPU, what other threads need in order to call it out of the guest, and what its thread counts.
///
/// Only its own thread writes to it on the way of an exit. The padding keeps it apart from what lies behind it in memory.
final class VCPU: Sendable {
    let cpu: VirtualCPU
    /// Whether its thread is in KVM_RUN, or about to enter it.
    let isInGuest = Atomic(false)
    /// The kernel's number of its thread, 0 before it runs.
    let threadID = Atomic<Int32>(0)
    /// Whether its thread is in a device or function, which may keep it.
    let isInDevice = Atomic(false)
    let exits = ExitCounters()
    private let padding: InlineArray<16, UInt64> = .init(repeating: 0)

    init(_ cpu: consuming VirtualCPU) {
        self.cpu = cpu
    }

    /// Makes the vCPU leave the guest, or not enter it, until immediate_exit is taken back.
    func interrupt() {
        cpu.setImmediateExit(true)
        HostThread.kick(id: threadID.load(ordering: .acquiring))
    }
}

/// The exits of one vCPU by their kind. Its thread counts; others may read at any time.
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

    /// One thread writes, so that a load and a store do.
    private static func increase(_ counter: borrowing Atomic<Int>) {
        counter.store(counter.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    /// Adds the counts so far.
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
/// A slot change waits for every vCPU that is in the guest, for milliseconds each; so whoever changes slots calls all of
/// them out once. The caller holds the machine lock. A vCPU outside KVM_RUN is parked already, whether it handles an exit
/// or waits for the lock: it looks here before it enters again, and then waits for the lock.
final class Parking: Sendable {
    private let isRequested = Atomic(false)
    private let isStopped = Atomic(false)
    private let left = Semaphore()

    /// Returns once no vCPU is in the guest; none enters it until `resume`.
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

    /// Lets no vCPU enter the guest any more; those that are in it stay there until `stop`.
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

    var hasStopped: Bool {
        isStopped.load(ordering: .sequentiallyConsistent)
    }

    /// What a vCPU thread asks before it enters the guest.
    enum Permission {
        case enter
        /// Wait for the machine lock, then ask again.
        case wait
        case stop
    }

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

    /// What a vCPU thread says after it has left the guest.
    func leave(_ vcpu: VCPU) {
        vcpu.isInGuest.store(false, ordering: .sequentiallyConsistent)
        if isRequested.load(ordering: .sequentiallyConsistent) {
            left.post()
        }
    }
}
