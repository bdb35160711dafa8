/// The memory write that signals an interrupt (PCI 3.0, 6.8).
public struct MSIMessage: Hashable, Sendable {
    /// The address of the write.
    public var address: UInt64
    /// The data of the write.
    public var data: UInt32

    /// Creates a message.
    public init(address: UInt64, data: UInt32) {
        self.address = address
        self.data = data
    }

    /// Returns whether an interrupt wakes a processor that has halted with interrupts off. It does so if its delivery mode is SMI,
    /// NMI or INIT (SDM volume 3A, 11.11.2).
    ///
    /// - Parameter data: Message data, a redirection entry or a local vector, which all have the delivery mode in the same bits.
    public static func wakesHalted(_ data: UInt64) -> Bool {
        [2, 4, 5].contains(data >> 8 & 7)
    }
}
