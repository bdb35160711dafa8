internal import Host
internal import KVM
internal import Machine
internal import Memslots

/// The operations, each with its system calls. docs/prices.md lists them.
extension PricedMachine {
    /// Prepares an operation. None of what it measured before is left.
    func pair(_ operation: PriceOperation, slotBytes: UInt64) throws(MachineError) -> Pair {
        switch operation {
        case .batch8: try batch(8, parked: true)
        case .batch8Unparked: try batch(8, parked: false)
        case .batch64: try batch(64, parked: true)
        case .batch64Unparked: try batch(64, parked: false)
        case .callOut: callOut()
        case .ioeventfdOn, .ioeventfdOff: try ioeventfd()
        case .irqfdOn, .irqfdOff: try irqfd()
        case .routes1: try routes(1)
        case .routes64: try routes(64)
        case .routes4096: try routes(InterruptRoutes.numbers.count)
        default: try slot(operation, slotBytes)
        }
    }

    /// An operation on the measured slot.
    private func slot(_ operation: PriceOperation, _ size: UInt64) throws(MachineError) -> Pair {
        let here = Self.mapping(backings[0], at: Self.home, size: size)
        let known = try requests(for: [here])
        if operation == .create || operation == .delete {
            return Pair(
                there: change([], [here]), back: change([here], []),
                plain: (requests(known.hold), requests(known.delete)))
        }
        _ = try change([], [here])()
        var pair = operation == .noop ? Pair(there: requests(known.hold)) : try slot(here, known.hold, operation)
        let (finish, unmap) = (pair.finish, change([here], []))
        pair.finish = { () throws(MachineError) in
            try finish()
            _ = try unmap()
        }
        return pair
    }

    /// An operation that changes the measured slot, which is there, and changes it back.
    private func slot(
        _ here: Mapping, _ hold: [SlotRequest], _ operation: PriceOperation
    ) throws(MachineError) -> Pair {
        var changed = (mapping: here, requests: hold, isNew: true)
        let delete = hold.map { request in
            var request = request
            request.size = 0
            return request
        }
        for index in hold.indices {
            switch operation {
            case .move:
                changed.mapping = Self.mapping(here.backing, at: Self.away, size: here.range.size)
                changed.requests[index].guestAddress = Self.away
                changed.isNew = false
            case .replace:
                changed.mapping.backing = backings[1]
                changed.requests[index].hostAddress += backings[1].offset - backings[0].offset
            case .readOnly:
                changed.mapping.access = .readOnly
                changed.requests[index].flags = SlotFlags.readOnly.rawValue
            default: changed.requests[index].flags = SlotFlags.logDirtyPages.rawValue
            }
        }
        guard operation == .flagsOn || operation == .flagsOff || operation == .dirtyLog else {
            let first = changed.isNew ? delete : []
            return Pair(
                there: change([here], [changed.mapping]), back: change([changed.mapping], [here]),
                plain: (requests(first + changed.requests), requests(first + hold)))
        }
        let takeLog = takeLog(of: hold, pages: here.range.pages)
        let (on, off) = (logging(true, in: here.range), logging(false, in: here.range))
        if operation == .dirtyLog {
            _ = try on()
            // What is mapped there next would log as well.
            return Pair(there: takeLog, finish: { () throws(MachineError) in _ = try off() })
        }
        let clear = requests(hold)
        let plainOff: Step = { () throws(MachineError) in try takeLog() + clear() }
        return Pair(there: on, back: off, plain: (requests(changed.requests), plainOff))
    }

    private func takeLog(of hold: [SlotRequest], pages: UInt64) -> Step {
        var bitmap = [UInt64](repeating: 0, count: Int(pages + 63) / 64)
        return calls { owned throws(MachineError) in
            for request in hold {
                let errno = owned.vm.getDirtyLog(slot: request.slot, pages: Int(pages), into: &bitmap)
                try Self.check(errno, "KVM_GET_DIRTY_LOG", "\(request)")
            }
        }
    }

    /// Creates so many slots in one transaction. Their deletes are not measured.
    private func batch(_ count: Int, parked: Bool) throws(MachineError) -> Pair {
        let mappings = (0..<UInt64(count)).map { number in
            Self.mapping(
                Backing(id: backings[0].id, offset: backings[0].offset + number * Page.size),
                at: Self.batch + number << 13)
        }
        let known = try requests(for: mappings)
        let (create, delete) = (change([], mappings, parked: parked), change(mappings, [], parked: true))
        let (plainCreate, plainDelete) = (requests(known.hold), requests(known.delete))
        let machine = machine
        func whileParked(_ step: @escaping Step) -> Step {
            { () throws(MachineError) in try machine.whileParked(step) }
        }
        func both(_ first: @escaping Step, _ second: @escaping Step) -> Step {
            { () throws(MachineError) in
                machine.awaitEntry()
                let time = try first()
                _ = try second()
                return time
            }
        }
        let plain = both(parked ? whileParked(plainCreate) : plainCreate, whileParked(plainDelete))
        return Pair(there: both(create, delete), plain: (plain, nil))
    }

    private func callOut() -> Pair {
        let machine = machine
        return Pair(there: { () throws(MachineError) in
            // Otherwise those that are still out would cost nothing.
            machine.awaitEntry()
            return try measure { () throws(MachineError) in try machine.whileParked {} }
        })
    }

    private func ioeventfd() throws(MachineError) -> Pair {
        let event = try Event()
        func set(_ isTaken: Bool) -> Step {
            calls { owned throws(MachineError) in
                let errno = owned.vm.setIOEvent(
                    address: Self.doorbell, isPort: false, size: 4, match: nil, counter: event.counter,
                    isTaken: isTaken)
                try Self.check(errno, "KVM_IOEVENTFD", hexadecimal(Self.doorbell))
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

    /// Changes the data of so many messages.
    private func routes(_ count: Int) throws(MachineError) -> Pair {
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

    /// Where messages are written that interrupt the first vCPU.
    private static let localAPIC: UInt64 = 0xfee0_0000

    /// Holds an eventfd, because closures cannot hold a noncopyable value.
    private final class Event: Sendable {
        let counter: EventCounter

        init() throws(MachineError) { counter = try kvm(try EventCounter()) }
    }
}
