/// The memory write that signals an interrupt (PCI 3.0, 6.8).
public struct MSIMessage: Hashable, Sendable {
    public var address: UInt64
    public var data: UInt32

    public init(address: UInt64, data: UInt32) {
        self.address = address
        self.data = data
    }

    /// Whether the delivery mode in message data, in a redirection entry or in a local vector is SMI, NMI or INIT: an interrupt that wakes a
    /// processor which has halted with interrupts off (SDM volume 3A, 11.11.2).
    public static func wakesHalted(_ data: UInt64) -> Bool {
        [2, 4, 5].contains(data >> 8 & 7)
    }
}
