internal import KVM
internal import PCI

/// A write that KVM takes itself now, and what counts those.
final class RegisteredIOEvent: Sendable {
    let event: IOEvent
    let counter: EventCounter

    init(_ event: IOEvent, counter: consuming EventCounter) {
        self.event = event
        self.counter = counter
    }
}

/// Functions say which writes KVM shall take; KVM is told the difference to what it takes already.
extension MachineState {
    /// Tells functions of the writes that KVM has taken for them.
    mutating func collectEvents() {
        guard !ioEvents.isEmpty else { return }
        for (address, registered) in ioEvents {
            let count = registered.counter.take()
            if count > 0 {
                pci?.add(events: count, to: address)
            }
        }
    }

    /// Lets KVM take what the functions want it to take now, where their BARs are now.
    mutating func updateEvents() {
        let changed = (pci?.testDevices ?? []).filter { ioEvents[$0]?.event != pci?.ioEvent(of: $0) }
        do throws(KVMError) {
            // All that goes before anything comes: one function may take the place of another.
            for address in changed {
                guard let present = ioEvents[address] else { continue }
                try memory.installer.vm.remove(present.event, signalling: present.counter)
                ioEvents[address] = nil
            }
            for address in changed {
                guard let wanted = pci?.ioEvent(of: address) else { continue }
                let counter = try EventCounter()
                try memory.installer.vm.add(wanted, signalling: counter)
                ioEvents[address] = RegisteredIOEvent(wanted, counter: counter)
            }
        } catch {
            end(.internalError("\(error)"))
        }
    }
}
