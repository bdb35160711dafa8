internal import CKVM

/// The messages that eventfds send, each by the number of its interrupt (GSI). The routes of lines, which have the lowest numbers, are
/// always there.
///
///     routes.set(message, of: number)
///     try vm.setRoutes(routes)
public struct InterruptRoutes: Sendable {
    /// The numbers that messages can have. KVM has no more routes than 4096, with those of lines.
    public static let numbers = UInt32(CKVM_LINES)..<UInt32(CKVM_LINES) + 4096 - UInt32(CKVM_LINE_ROUTES)

    private var messages: [UInt32: ckvm_message_route] = [:]

    public init() {}

    /// The number of routes that messages have.
    public var count: Int { messages.count }

    /// The lowest number without a message, or nil if all have one.
    public var free: UInt32? { Self.numbers.first { messages[$0] == nil } }

    /// Gives a number a message.
    public mutating func set(address: UInt64, data: UInt32, of number: UInt32) {
        messages[number] = ckvm_message_route(address: address, data: data, gsi: number)
    }

    public mutating func remove(_ number: UInt32) { messages[number] = nil }

    fileprivate var list: [ckvm_message_route] { Array(messages.values) }
}

extension VirtualMachine {
    /// Makes these the routes of messages (`KVM_SET_GSI_ROUTING`). The machine has the controllers in the kernel.
    public func setRoutes(_ routes: InterruptRoutes) throws(KVMError) {
        let list = routes.list
        // SAFETY: the call reads as many routes as the list has.
        try check(
            unsafe ckvm_set_routes(descriptor.number, list, list.count), "KVM_SET_GSI_ROUTING", "\(list.count) messages"
        )
    }

    /// Lets an eventfd raise an interrupt, or lets it do so no more (`KVM_IRQFD`). An eventfd that has been signalled before raises it at once.
    ///
    /// - Parameters:
    ///   - event: The number of an open eventfd.
    ///   - number: The number of a message that has a route, or of a line.
    ///   - resample: The number of an open eventfd that KVM signals when the guest has handled the interrupt of a line. The line stays up until
    ///     then. It is nil for a message.
    @unsafe
    public func setInterruptEvent(
        _ event: Int32, number: UInt32, resample: Int32? = nil, isTaken: Bool
    ) throws(KVMError) {
        try check(
            ckvm_set_irqfd(descriptor.number, event, number, resample ?? -1, isTaken), "KVM_IRQFD",
            "interrupt \(number)")
    }

    /// Lets KVM take guest writes and signal an eventfd of somebody else's, as `setIOEvent` does for a counter.
    ///
    /// - Parameter event: The number of an open eventfd.
    /// - Returns: 0 or KVM's errno.
    @unsafe
    public func setIOEvent(
        address: UInt64, isPort: Bool, size: UInt32, match: UInt64?, event: Int32, isTaken: Bool
    ) -> Int32 {
        -ckvm_set_ioeventfd(descriptor.number, event, address, size, isPort, match != nil, match ?? 0, isTaken)
    }
}
