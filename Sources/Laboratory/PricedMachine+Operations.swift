internal import Host
internal import KVM
internal import Machine
internal import Memslots

/// The preparation of each operation, with its system calls. docs/prices.md lists them.
extension PricedMachine {
    /// Prepares an operation. Nothing of the operation measured before is left.
    func pair(_ operation: PriceOperation, slotBytes: UInt64) throws(MachineError) -> Pair {
        let here = Self.mapping(backings[0], at: Self.home, size: slotBytes)
        var there = here
        switch operation {
        case .noop: return try noop(here)
        case .flagsOn, .flagsOff, .dirtyLog: return try logging(here, isTaken: operation == .dirtyLog)
        case .create, .delete: return try exchange([], [here])
        case .readOnly: there.access = .readOnly
        case .replace: there.backing = backings[1]
        case .move:
            return try exchange([here], [Self.mapping(backings[0], at: Self.away, size: slotBytes)], isMove: true)
        case .batch8: return try exchange([], batch(8), parks: (true, true))
        case .batch8Unparked: return try exchange([], batch(8), parks: (false, true))
        case .batch64: return try exchange([], batch(64), parks: (true, true))
        case .batch64Unparked: return try exchange([], batch(64), parks: (false, true))
        case .callOut: return callOut()
        case .ioeventfdOn, .ioeventfdOff: return try ioeventfd()
        case .irqfdOn, .irqfdOff: return try irqfd()
        case .routes1: return routes(1)
        case .routes64: return routes(64)
        case .routes4096: return routes(InterruptRoutes.numbers.count)
        }
        return try exchange([here], [there])
    }

    /// Prepares a transaction that removes mappings and adds others, and the opposite transaction.
    ///
    /// - Parameters:
    ///   - isMove: Whether KVM is asked to move the slots. Otherwise it deletes the slots of `before` and creates those of
    ///     `after`.
    ///   - parks: Whether the vCPUs are called out first, on the way there and on the way back. The system calls alone begin
    ///     once the vCPUs are out.
    private func exchange(
        _ before: [Mapping], _ after: [Mapping], isMove: Bool = false,
        parks: (there: Bool, back: Bool) = (false, false)
    ) throws(MachineError) -> Pair {
        let (first, second) = (try requests(for: before), try requests(for: after))
        let machine = machine
        func alone(_ delete: [SlotRequest], _ hold: [SlotRequest], parks: Bool) -> Step {
            let step = requests(isMove ? hold : delete + hold)
            return parks ? { () throws(MachineError) in try machine.whileParked(step) } : step
        }
        _ = try change([], before)()
        let unmap = change(before, [])
        return Pair(
            there: change(before, after, parked: parks.there), back: change(after, before, parked: parks.back),
            systemCalls: (
                alone(first.delete, second.hold, parks: parks.there),
                alone(second.delete, first.hold, parks: parks.back)
            ),
            finish: { () throws(MachineError) in _ = try unmap() })
    }

    /// Returns mappings of one page each, for a batch of slots that do not touch.
    private func batch(_ count: UInt64) -> [Mapping] {
        (0..<count).map { number in
            let backing = Backing(id: backings[0].id, offset: backings[0].offset + number * Page.size)
            return Self.mapping(backing, at: Self.batch + number << 13)
        }
    }

    /// Prepares the setting of the measured slot to the state that it has.
    private func noop(_ here: Mapping) throws(MachineError) -> Pair {
        let hold = try requests(for: [here]).hold
        return Pair(there: requests(hold), finish: try exchange([here], []).finish)
    }

    /// Prepares dirty logging of the measured slot: its start and end, or the taking of its log.
    private func logging(_ here: Mapping, isTaken: Bool) throws(MachineError) -> Pair {
        let (machine, hold) = (machine, try requests(for: [here]).hold)
        let unmap = try exchange([here], []).finish
        let pages = Int(here.range.pages)
        var bitmap = [UInt64](repeating: 0, count: (pages + 63) / 64)
        func set(_ isOn: Bool) -> Step {
            { () throws(MachineError) in
                try measure { () throws(MachineError) in
                    try machine.setDirtyLogging(isOn, in: here.range, parked: false)
                }
            }
        }
        let take = calls { owned throws(MachineError) in
            for request in hold {
                let errno = owned.vm.getDirtyLog(slot: request.slot, pages: pages, into: &bitmap)
                try Self.check(errno, "KVM_GET_DIRTY_LOG", "\(request)")
            }
        }
        let (on, off) = (set(true), set(false))
        if isTaken {
            _ = try on()
            return Pair(
                there: take,
                finish: { () throws(MachineError) in
                    // If logging stayed on, the next mapping in this range would be logged as well.
                    _ = try off()
                    try unmap()
                })
        }
        let logs = hold.map { request in
            var request = request
            request.flags = SlotFlags.logDirtyPages.rawValue
            return request
        }
        let clear = requests(hold)
        let takeAndClear: Step = { () throws(MachineError) in try take() + clear() }
        return Pair(there: on, back: off, systemCalls: (requests(logs), takeAndClear), finish: unmap)
    }

    private func callOut() -> Pair {
        let machine = machine
        return Pair(there: { () throws(MachineError) in
            try measure { () throws(MachineError) in try machine.whileParked {} }
        })
    }

    private func ioeventfd() throws(MachineError) -> Pair {
        let event = try host(try SharedDescriptor(eventFor: "an ioeventfd"))
        let doorbell = IOEvent(address: Self.doorbell, isPort: false, size: 4)
        func set(_ isTaken: Bool) -> Step {
            calls { owned throws(MachineError) in
                let errno = owned.setIOEvent(doorbell, descriptor: event, isTaken: isTaken)
                try Self.check(errno, "KVM_IOEVENTFD", hexadecimal(doorbell.address))
            }
        }
        return Pair(there: set(true), back: set(false))
    }

    private func irqfd() throws(MachineError) -> Pair {
        let event = try host(try SharedDescriptor(eventFor: "an irqfd"))
        let owned = machine.virtualMachine
        let number = InterruptRoutes.numbers.lowerBound
        var routes = InterruptRoutes()
        routes.set(address: Self.localAPIC, data: 0x31, of: number)
        try kvm(try owned.vm.setRoutes(routes))
        func set(_ isTaken: Bool) -> Step {
            calls { owned throws(MachineError) in
                try kvm(try owned.setInterruptEvent(event, number: number, isTaken: isTaken))
            }
        }
        return Pair(there: set(true), back: set(false)) { () throws(MachineError) in
            try kvm(try owned.vm.setRoutes(InterruptRoutes()))
        }
    }

    /// Prepares changes of the routes of `count` messages. Each change gives all of them other data.
    private func routes(_ count: Int) -> Pair {
        let owned = machine.virtualMachine
        func set(data: UInt32) -> Step {
            var routes = InterruptRoutes()
            for number in InterruptRoutes.numbers.prefix(count) {
                routes.set(address: Self.localAPIC, data: data, of: number)
            }
            return calls { [routes] owned throws(MachineError) in try kvm(try owned.vm.setRoutes(routes)) }
        }
        return Pair(there: set(data: 0x31), back: set(data: 0x32)) { () throws(MachineError) in
            try kvm(try owned.vm.setRoutes(InterruptRoutes()))
        }
    }

    /// The address to which messages are written that interrupt the first vCPU.
    private static let localAPIC: UInt64 = 0xfee0_0000
}
