import Host

@testable import KVM

extension VirtualMachine {
    /// Lets KVM take writes to a place and signal an eventfd, or no longer lets it.
    func setIOEvent(
        address: UInt64, isPort: Bool, size: UInt32, match: UInt64?, counter: SharedDescriptor, isTaken: Bool
    ) -> Int32 {
        // SAFETY: the eventfd is open as long as its value lives.
        unsafe setIOEvent(
            address: address, isPort: isPort, size: size, match: match, event: counter.number, isTaken: isTaken)
    }
}
