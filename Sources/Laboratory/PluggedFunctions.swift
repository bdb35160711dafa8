internal import Devices
internal import Host
internal import Layouts
internal import Machine
internal import Memslots
internal import PCI
internal import SeededRandom

/// The functions of a machine that come and go, and the counts that the guest `hotplug` keeps of them in memory
/// (guests/README.md).
struct PluggedFunctions {
    private struct Plugged {
        let address: FunctionAddress
        let model: any FunctionModel
        /// The number of the slot's port among the ports that the guest knows. Nil for a function that is in no slot.
        let port: Int?
        let portAddress: FunctionAddress?
        let wasThere: Bool
        var isThere: Bool
        /// The number of the watched place in the function's memory.
        var watched: Int?
    }

    private let machine: GuestMachine
    private(set) var watched: WatchedPlaces
    private var plugged: [Plugged] = []
    private let ports: Int
    private var random: SplitMix64
    /// The run of the guest. Nil before and after the cycles.
    var running: RunningMachine?
    private(set) var cycles = 0
    private var usesBefore = HotPlugResult.GuestUses()
    private(set) var (adding, removing, returning) = (Latencies(), Latencies(), Latencies())
    /// The first thing that was not as it should be, in words.
    private(set) var problem: String?

    private static let portCount = GuestAddress(0x31_0000)
    private static let firstPort: UInt64 = 0x31_0080
    private static let portSize: UInt64 = 0x80
    private static let patience = Duration.seconds(20)
    /// The largest number of functions that are watched. With more, the guest would take too long to come back to one.
    private static let mostWatched = 32

    /// Takes the functions of a machine whose guest has not begun. If there are functions outside slots, the first of them
    /// stays.
    init(_ layout: Layout, _ machine: GuestMachine, vcpus: Int, seed: UInt64) throws(MachineError) {
        self.machine = machine
        random = SplitMix64(seed: seed)
        watched = WatchedPlaces(machine, vcpus: vcpus)
        let functions = layout.byAddress
        let slots = functions.compactMap { address, description in
            description.bridge.flatMap { $0.hasSlot ? (port: address, slot: $0.slot(segment: address.segment)) : nil }
        }.sorted { $0.port < $1.port }
        ports = slots.count
        for (number, (port, slot)) in slots.enumerated() {
            let own = functions[slot].flatMap { $0.msix == nil || $0.doorbell != nil ? $0 : nil }
            plugged.append(
                Plugged(
                    address: slot, model: own.map { DescribedFunction($0) } ?? PluggedDevice(), port: number,
                    portAddress: port, wasThere: functions[slot] != nil, isThere: functions[slot] != nil))
        }
        let others = functions.filter { address, description in
            description.bridge == nil && !slots.contains { $0.slot == address }
        }.sorted { $0.key < $1.key }
        for (index, (address, description)) in others.enumerated() {
            let number = index < Self.mostWatched ? watch(address, description, label: index) : nil
            guard index > 0 else { continue }
            plugged.append(
                Plugged(
                    address: address, model: DescribedFunction(description), port: nil,
                    portAddress: nil, wasThere: true, isThere: true, watched: number))
        }
        guard !plugged.isEmpty else {
            throw .experiment(
                "\(layout.name): no function can be added or removed: the layout needs two functions, or a port with a slot (hotPlug)"
            )
        }
    }

    var places: HotPlugResult.Places {
        HotPlugResult.Places(slots: ports, others: plugged.count - ports)
    }

    // MARK: Cycles

    /// Removes and adds functions until `count` functions have been added, or `goesOn` returns false.
    mutating func cycle(_ count: Int, while goesOn: (Int) -> Bool) throws(MachineError) {
        wait("the guest does not begin") { $0.word(Self.portCount) == UInt32($0.ports) }
        (cycles, adding, removing, returning) = (0, [], [], [])
        usesBefore = uses(since: HotPlugResult.GuestUses())
        while cycles < count, problem == nil, running?.hasEnded == false, goesOn(cycles) {
            let index = Int(random.next(upperBound: UInt64(plugged.count)))
            if plugged[index].isThere { try remove(index) } else { try addAndUse(index) }
        }
    }

    /// Puts all functions back to their first state, one after the other, so that each gets the slots that it had.
    mutating func restore() throws(MachineError) {
        let done = (cycles, adding, removing, returning)
        for index in plugged.indices where plugged[index].isThere { try remove(index) }
        for index in plugged.indices where plugged[index].wasThere {
            let place = plugged[index]
            let before = place.port.map { settled($0) }
            try add(index)
            guard let port = place.port else { continue }
            wait("\(place.address) is not put to use") { $0.settled(port) != before && $0.word(4, ofPort: port) == 1 }
        }
        (cycles, adding, removing, returning) = done
    }

    private mutating func add(_ index: Int) throws(MachineError) {
        let place = plugged[index]
        let machine = machine
        // This function may now lie where functions that are gone have been.
        for other in plugged where !other.isThere { if let number = other.watched { watched.hide(number) } }
        adding.append(try measure { () throws(MachineError) in try machine.add(place.model, at: place.address) })
        plugged[index].isThere = true
        cycles += 1
        if let number = place.watched {
            plugged[index].watched = watch(place.address, place.model.description, label: cycles, at: number)
        }
    }

    /// Adds a function. If it is in a slot, it is mostly given time until the guest uses it. Sometimes it is left alone or
    /// removed again.
    private mutating func addAndUse(_ index: Int) throws(MachineError) {
        let before = plugged[index].port.map { settled($0) }
        try add(index)
        guard let port = plugged[index].port else { return }
        let patience = random.next() % 8
        if patience == 0 {
            // Some functions go before the guest has heard of them, and some while it looks at them.
            HostThread.sleep(for: .microseconds(Int(random.next() % 10_000)))
            try remove(index)
        } else if patience > 1 {
            wait("\(plugged[index].address) is not put to use") { $0.settled(port) != before }
        }
    }

    private mutating func remove(_ index: Int) throws(MachineError) {
        let place = plugged[index]
        let (machine, address) = (machine, place.address)
        let base = memoryAddress(of: address, place.model.description)
        if let port = place.portAddress, hasNoticed(port), random.next() % 2 == 0 {
            let start = SuspendingClock.now
            try machine.requestRemoval(of: address)
            wait("\(address) is not given back") { !$0.machine.functions.contains(address) }
            returning.append(SuspendingClock.now - start)
        } else if let number = place.watched {
            removing.append(
                try watched.change([(number, .absent)]) { () throws(MachineError) in try machine.remove(at: address) })
        } else {
            removing.append(try measure { () throws(MachineError) in try machine.remove(at: address) })
        }
        plugged[index].isThere = machine.functions.contains(address)
        guard !plugged[index].isThere else { return }
        let rest = machine.readConfiguration(of: address, at: 0, width: .doubleword)
        if rest != 0xffff_ffff { note("\(address) is gone and reads as \(hexadecimal(rest))") }
        if place.port == nil, let base, machine.mapping(at: base) != nil { note("\(address) has left memory behind") }
    }

    private mutating func note(_ text: String) { problem = problem ?? text }

    /// Waits until the guest has done something. If it does not do so in time, notes `problem`.
    private mutating func wait(_ problem: String, until isDone: (Self) -> Bool) {
        let deadline = SuspendingClock.now + Self.patience
        while !isDone(self) {
            guard self.problem == nil, SuspendingClock.now < deadline, running?.hasEnded == false else {
                return note(problem)
            }
            HostThread.sleep(for: .microseconds(50))
        }
    }

    // MARK: Watched places

    /// Lets the guest watch the memory of a function that is present, if the memory lies below 4 GiB.
    ///
    /// - Parameter number: The watched place to move there. Nil for a new place.
    /// - Returns: The number of the watched place.
    private mutating func watch(
        _ address: FunctionAddress, _ description: FunctionDescription, label: Int, at number: Int? = nil
    ) -> Int? {
        guard let base = memoryAddress(of: address, description), base.rawValue < 1 << 32 else { return number }
        let label = Label(number: label)
        _ = machine.write(label.bytes, at: base)
        return watched.add(base, showing: .memory(label.word, .readWrite), at: number)
    }

    /// Returns the address of the first BAR that begins with memory.
    private func memoryAddress(of address: FunctionAddress, _ description: FunctionDescription) -> GuestAddress? {
        for (number, bar) in description.bars.sorted(by: { $0.key < $1.key }) {
            let register = BaseAddressRegister.bar(number)
            guard description.pieces(of: register).first?.kind == .mapped else { continue }
            func read(_ offset: UInt64) -> UInt64 {
                machine.readConfiguration(of: address, at: offset, width: .doubleword)
            }
            let low = read(0x10 + 4 * UInt64(number)) & ~0xf
            return GuestAddress(bar.kind == .memory64 ? read(0x14 + 4 * UInt64(number)) << 32 | low : low)
        }
        return nil
    }

    // MARK: What the guest says

    /// Whether the guest has seen all that has happened at a port. If the button were pressed twice before the guest looks, it
    /// would see one press.
    private func hasNoticed(_ port: FunctionAddress) -> Bool {
        machine.readConfiguration(of: port, at: 0x5a, width: .word) & 0x9 == 0
    }

    private func word(_ address: GuestAddress) -> UInt32 {
        UInt32(truncatingIfNeeded: number(machine.read(count: 4, at: address)))
    }

    private func word(_ offset: UInt64, ofPort port: Int) -> UInt32 {
        word(GuestAddress(Self.firstPort + UInt64(port) * Self.portSize + offset))
    }

    /// Returns the number of functions that the guest has put to use or abandoned at a port.
    private func settled(_ port: Int) -> UInt32 { word(8, ofPort: port) &+ word(0x14, ofPort: port) }

    /// What the guest has done with functions in slots since the cycles began.
    var uses: HotPlugResult.GuestUses { uses(since: usesBefore) }

    private func uses(since before: HotPlugResult.GuestUses) -> HotPlugResult.GuestUses {
        func count(_ offset: UInt64) -> Int { (0..<ports).reduce(0) { $0 + Int(word(offset, ofPort: $1)) } }
        return HotPlugResult.GuestUses(
            added: count(8) - before.added, returned: count(0xc) - before.returned, lost: count(0x10) - before.lost,
            abandoned: count(0x14) - before.abandoned)
    }
}

/// A function with memory, MSI-X with a doorbell, and a register for which KVM takes the writes (ioeventfd).
private struct PluggedDevice: FunctionModel {
    let description = FunctionDescription(
        vendorID: 0x1af4, deviceID: 0x0400,
        bars: [
            0: BARDescription(kind: .memory32, size: 0x4000, registers: [0x3000..<0x3010]),
            1: BARDescription(kind: .memory32, size: 0x1_0000),
            2: BARDescription(kind: .memory64, size: 0x4_0000),
        ],
        msix: MSIXDescription(
            vectors: 4, table: BARLocation(bar: 0, offset: 0x2000), pendingBits: BARLocation(bar: 0, offset: 0x2800)),
        doorbell: BARLocation(bar: 0, offset: 0x2808))
    let events = [FunctionEvent(register: .bar(0), offset: 0x3000, size: 4)]

    func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects {
        DescribedFunction(description).write(value, register, at: offset, width: width)
    }
}
