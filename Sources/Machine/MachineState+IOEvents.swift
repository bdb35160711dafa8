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
        for address in pci?.testDevices ?? [] {
            let wanted = pci?.ioEvent(of: address)
            let present = ioEvents[address]
            guard present?.event != wanted else { continue }
            do throws(KVMError) {
                if let present {
                    try memory.installer.vm.remove(present.event, signalling: present.counter)
                    ioEvents[address] = nil
                }
                if let wanted {
                    let counter = try EventCounter()
                    try memory.installer.vm.add(wanted, signalling: counter)
                    ioEvents[address] = RegisteredIOEvent(wanted, counter: counter)
                }
            } catch {
                end(.internalError("\(error)"))
            }
        }
    }
}
