internal import Host
internal import KVM
internal import Synchronization

/// A vCPU and what other threads need in order to call it out of the guest.
final class VCPU: Sendable {
    let cpu: VirtualCPU
    /// Whether its thread is in KVM_RUN, or about to enter it.
    let isInGuest = Atomic(false)
    /// The kernel's number of its thread, 0 before it runs.
    let threadID = Atomic<Int32>(0)

    init(_ cpu: consuming VirtualCPU) {
        self.cpu = cpu
    }

    /// Makes the vCPU leave the guest, or not enter it, until immediate_exit is taken back.
    func interrupt() {
        cpu.setImmediateExit(true)
        HostThread.kick(id: threadID.load(ordering: .acquiring))
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
