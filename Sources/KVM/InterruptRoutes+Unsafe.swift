internal import CKVM

/// The routes from interrupt numbers (GSIs) to messages: when an eventfd raises such a number, KVM sends the message. The lowest
/// numbers belong to the interrupt lines, whose routes always exist.
///
///     routes.set(message, of: number)
///     try vm.setRoutes(routes)
public struct InterruptRoutes: Sendable {
    /// The interrupt numbers that messages can have. KVM allows 4096 routes, of which the interrupt lines take some.
    public static let numbers = UInt32(CKVM_LINES)..<UInt32(CKVM_LINES) + 4096 - UInt32(CKVM_LINE_ROUTES)

    private var messages: [UInt32: ckvm_message_route] = [:]

    /// Creates routes without a message.
    public init() {}

    /// The number of messages.
    public var count: Int { messages.count }

    /// The lowest number without a message, or nil if every number has one.
    public var freeNumber: UInt32? { Self.numbers.first { messages[$0] == nil } }

    /// Sets the message that an interrupt number sends.
    public mutating func set(address: UInt64, data: UInt32, of number: UInt32) {
        messages[number] = ckvm_message_route(address: address, data: data, gsi: number)
    }

    /// Removes the message of an interrupt number.
    public mutating func remove(_ number: UInt32) { messages[number] = nil }

    fileprivate var list: [ckvm_message_route] { Array(messages.values) }
}

extension VirtualMachine {
    /// Replaces KVM's routes of messages (`KVM_SET_GSI_ROUTING`). The machine must have in-kernel interrupt controllers.
    public func setRoutes(_ routes: InterruptRoutes) throws(KVMError) {
        let list = routes.list
        // SAFETY: the call reads exactly as many routes as the list has.
        try check(
            unsafe ckvm_set_routes(descriptor.number, list, list.count), "KVM_SET_GSI_ROUTING", "\(list.count) messages"
        )
    }

    /// Lets an eventfd raise an interrupt, or no longer lets it do so (`KVM_IRQFD`). If the eventfd has been signalled before, it
    /// raises the interrupt at once.
    ///
    /// - Parameters:
    ///   - event: The number of an open eventfd.
    ///   - number: The number of an interrupt line, or of a message that has a route.
    ///   - resample: For a line, the number of an open eventfd. The line stays raised until the guest has handled the interrupt,
    ///     and KVM then signals this eventfd. It is nil for a message.
    @unsafe
    public func setInterruptEvent(
        _ event: Int32, number: UInt32, resample: Int32? = nil, isTaken: Bool
    ) throws(KVMError) {
        try check(
            ckvm_set_irqfd(descriptor.number, event, number, resample ?? -1, isTaken), "KVM_IRQFD",
            "interrupt \(number)")
    }

    /// Lets KVM take guest writes to an address and signal an eventfd, or lets these writes exit again (`KVM_IOEVENTFD`).
    ///
    /// KVM refuses an event that it holds already (EEXIST). It counts events at ports and events in memory separately, and refuses
    /// those beyond the thousandth (ENOSPC).
    ///
    /// - Parameters:
    ///   - address: A port or a guest-physical address.
    ///   - size: The width of the writes in bytes: 1, 2, 4 or 8. Writes of another width still exit.
    ///   - match: The only written value that KVM takes, or nil if KVM takes any value.
    ///   - event: The number of an open eventfd.
    /// - Returns: 0, or KVM's errno.
    @unsafe
    public func setIOEvent(
        address: UInt64, isPort: Bool, size: UInt32, match: UInt64?, event: Int32, isTaken: Bool
    ) -> Int32 {
        -ckvm_set_ioeventfd(descriptor.number, event, address, size, isPort, match != nil, match ?? 0, isTaken)
    }
}
