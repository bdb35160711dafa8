package import Host
package import KVM
package import Memslots
internal import SystemPackage

extension OwnedVM {
    // SAFETY: a descriptor is open as long as its value lives. The calls keep none of the numbers, because KVM refers to the files.

    /// Lets an eventfd raise an interrupt, or no longer lets it, as `VirtualMachine.setInterruptEvent` does.
    package func setInterruptEvent(
        _ event: SharedDescriptor, number: UInt32, resample: SharedDescriptor? = nil, isTaken: Bool
    ) throws(KVMError) {
        try askForInterrupts("KVM_IRQFD")
        try unsafe vm.setInterruptEvent(event.number, number: number, resample: resample?.number, isTaken: isTaken)
    }

    /// Sets the routes of messages, as `VirtualMachine.setRoutes` does.
    func setRoutes(_ routes: InterruptRoutes) throws(KVMError) {
        try askForInterrupts("KVM_SET_GSI_ROUTING")
        try vm.setRoutes(routes)
    }

    private func askForInterrupts(_ request: String) throws(KVMError) {
        do { try ask(.interrupt) } catch { throw KVMError(request: request, errno: Errno(rawValue: error.rawValue)) }
    }

    /// Lets KVM take an event and signal an eventfd for it, or no longer lets it. Returns 0 or KVM's errno.
    package func setIOEvent(_ event: IOEvent, descriptor: SharedDescriptor, isTaken: Bool) -> Int32 {
        unsafe vm.setIOEvent(
            address: event.address, isPort: event.isPort, size: event.size, match: event.match,
            event: descriptor.number, isTaken: isTaken)
    }
}
