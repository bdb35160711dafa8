internal import Host
internal import KVM
internal import Synchronization

/// The parking of a machine's vCPUs, which holds them outside KVM_RUN.
///
/// A slot change waits for every vCPU that is in the guest, for milliseconds each. So the thread that changes slots calls all
/// of them out once, while it holds the machine lock. A vCPU outside KVM_RUN is parked already, whatever it does there: it
/// calls `enter` before it enters the guest again, and then waits for the lock. docs/concurrency.md says why no vCPU is missed.
final class Parking: Sendable {
    private let isRequested = Atomic(false)
    private let isStopped = Atomic(false)
    private let left = Semaphore()

    /// Calls all vCPUs out of the guest, and waits until they are out. None enters the guest until `resume`.
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
    func resume() {
        isRequested.store(false, ordering: .sequentiallyConsistent)
    }

    /// Lets no vCPU enter the guest any more. Those that are in the guest stay there until `stop`.
    func requestStop() {
        isStopped.store(true, ordering: .sequentiallyConsistent)
    }

    /// Calls all vCPUs out of the guest for good.
    func stop(_ vcpus: [VCPU]) {
        isStopped.store(true, ordering: .sequentiallyConsistent)
        for vcpu in vcpus {
            vcpu.interrupt()
            vcpu.control.update { _ in }
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
        if vcpu.hasRequest.load(ordering: .sequentiallyConsistent) {
            // KVM_RUN then completes the last access and returns.
            vcpu.cpu.setImmediateExit(true)
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
