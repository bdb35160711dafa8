internal import Board
internal import Devices
internal import Host
internal import KVM
internal import Memslots
internal import PCI
internal import Synchronization

/// The state that the machine lock guards: what functions decode, the mappings and events that follow from that, and the slots.
/// An exit needs this state only if it changes what is decoded, or if the vCPU's view is old.
struct MachineState: ~Copyable {
    var memory: GuestMemory
    var decoded: DecodedMemory
    var ports = DecodedPorts()
    var functions: [FunctionAddress: FunctionCell]
    /// The events that functions want KVM to take.
    var wantedEvents: [FunctionAddress: [FunctionEvent]] = [:]
    /// The events that KVM takes, with their addresses.
    private var takenEvents: [FunctionAddress: [FunctionEvent: IOEvent]] = [:]
    /// The number of events that KVM takes.
    var takenEventCount: Int { takenEvents.values.reduce(0) { $0 + $1.count } }
    /// The observers that functions own. If an observer is lost, its function ends.
    var observers: [ObserverID: FunctionAddress] = [:]
    /// The change of memory that was refused when a function ended, and that is still to be made. The next change includes it.
    private(set) var owed = MemoryChange()
    /// The functions that are gone, until a thread has released what they have left.
    var gone: [FunctionCell] = []
    /// The number of the present routing. It counts the changes of what views copy. Its upper half counts the changes of which
    /// function is where in configuration space: functions come and go, and buses get other numbers.
    var routing: UInt64 = 1

    init(memory: consuming GuestMemory, decoded: DecodedMemory, functions: [FunctionAddress: FunctionCell]) {
        self.memory = memory
        self.decoded = decoded
        self.functions = functions
        for cell in functions.values {
            _ = cell.withFunction { function in
                ports.update(function, through: decoded.bridges)
                if !function.events.isEmpty { wantedEvents[cell.address] = function.events }
            }
        }
    }

    /// Lets KVM take the events that functions want it to take from the start.
    mutating func takeFirstEvents() throws(MachineError) {
        if !wantedEvents.isEmpty { try follow(nil) }
    }
}

// MARK: - Changes of what functions decode

extension MachineState {
    /// Changes memory, ports and events as a proposal of a function asks. If one of them cannot follow, all stay as they are.
    mutating func follow(_ proposal: DecodeProposal, of cell: FunctionCell) throws(MachineError) {
        try checkPresence(of: cell)
        let portsBefore = ports
        let numbering = decoded.bridges.numbering
        let change =
            proposal.affectsMemory ? decoded.propose(proposal.function, isReset: proposal.isReset) : nil
        ports.update(proposal.function, through: decoded.bridges)
        do throws(MachineError) {
            try follow(change?.change)
        } catch {
            ports = portsBefore
            if let change { decoded.withdraw(change) }
            throw error
        }
        if decoded.bridges.numbering != numbering { routing &+= 1 << 32 }
    }

    /// Lets KVM take the events that a function wants it to take. If KVM refuses, it takes none of the function's events, and
    /// all these writes exit, because the model no longer counts the former events.
    mutating func setEvents(_ events: [FunctionEvent], of cell: FunctionCell) throws(MachineError) {
        try checkPresence(of: cell)
        let address = cell.address
        wantedEvents[address] = events.isEmpty ? nil : events
        do throws(MachineError) {
            try follow(nil)
        } catch {
            wantedEvents[address] = nil
            _ = try? follow(nil)
            throw error
        }
    }

    /// Throws if a function was lost or removed while its access waited for the machine lock.
    private func checkPresence(of cell: FunctionCell) throws(MachineError) {
        guard functions[cell.address] === cell else { throw .functionLost(cell.address) }
    }

    /// Changes mappings and events to those that follow from what functions decode now, in one transaction. Observers leave or
    /// join in it.
    ///
    /// - Parameters:
    ///   - decodedChange: The regions that come and go.
    ///   - isOwed: Whether the change of mappings is owed if it is refused, because a function has ended.
    /// - Returns: The number of the observer that joined.
    @discardableResult
    mutating func follow(
        _ decodedChange: DecodedMemory.Change?, isOwed: Bool = false, leaving: [ObserverID] = [],
        joining: (any MemoryObserver)? = nil
    ) throws(MachineError) -> ObserverID? {
        var change = owed
        if let decodedChange {
            for region in decodedChange.removed where region.kind == .mapped {
                // A region whose mapping is still owed has never been mapped.
                if let index = change.added.firstIndex(where: { $0.range == region.range }) {
                    change.added.remove(at: index)
                } else {
                    change.removed.append(region.range)
                }
            }
            change.added += decodedChange.added.compactMap { functions[$0.owner.function]?.memory.mapping(of: $0) }
        }
        let mappings = change
        let targets = eventTargets
        let (before, after) = (Self.events(takenEvents), Self.events(targets))
        change.removedEvents = Array(before.subtracting(after))
        change.addedEvents = Array(after.subtracting(before))
        var joined: ObserverID?
        do throws(MachineError) {
            if !change.isEmpty || !leaving.isEmpty || joining != nil {
                joined = try memory.change(change, leaving: leaving, joining: joining)
            }
        } catch {
            memory.installer.keepEvents(before)
            if isOwed { owed = mappings }
            throw error
        }
        owed = MemoryChange()
        routing &+= 1
        guard targets != takenEvents else { return joined }
        for address in Set(targets.keys).union(takenEvents.keys) {
            functions[address]?.setEvents((targets[address] ?? [:]).compactMapValues { memory.installer.events[$0] })
        }
        takenEvents = targets
        memory.installer.keepEvents(after)
        return joined
    }

    private static func events(_ targets: [FunctionAddress: [FunctionEvent: IOEvent]]) -> Set<IOEvent> {
        targets.isEmpty ? [] : Set(targets.values.flatMap(\.values))
    }

    /// The events that KVM is to take now, with their addresses and ports. An event is among them only if the function itself
    /// would answer the write.
    private var eventTargets: [FunctionAddress: [FunctionEvent: IOEvent]] {
        var targets: [FunctionAddress: [FunctionEvent: IOEvent]] = [:]
        for (address, events) in wantedEvents {
            for event in events {
                if let target = target(of: event, of: address) { targets[address, default: [:]][event] = target }
            }
        }
        return targets
    }

    /// Returns the address or port of an event, or nil if the function would not answer the write now.
    private func target(of event: FunctionEvent, of address: FunctionAddress) -> IOEvent? {
        let owner = BAROwner(function: address, register: event.register)
        let place = TrappedPlace(owner: owner, offset: event.offset)
        guard case .bar(let number) = event.register, let width = AccessWidth(rawValue: Int(event.size)) else {
            return nil
        }
        if functions[address]?.shape.description.bars[number]?.kind == .io {
            guard let base = ports.regions.first(where: { $0.owner == owner })?.ports.lowerBound,
                base &+ event.offset >= BoardPorts.firstBARPort,
                ports.trapped(at: base &+ event.offset, width: width) == place
            else { return nil }
            return IOEvent(
                address: base &+ event.offset, isPort: true, size: event.size, match: event.match,
                descriptor: event.descriptor)
        }
        guard let target = decoded.address(of: place), decoded.trapped(at: target, width: width) == place else {
            return nil
        }
        return IOEvent(
            address: target.rawValue, isPort: false, size: event.size, match: event.match,
            descriptor: event.descriptor)
    }
}

// MARK: - Observers

extension MachineState {
    /// Adds an observer of memory. If it is lost, the function that is its `owner` ends.
    mutating func addObserver(
        _ observer: any MemoryObserver, of owner: FunctionAddress?
    ) throws(MachineError) -> ObserverID {
        if let owner, functions[owner] == nil { throw .functionLost(owner) }
        do throws(MachineError) {
            guard let id = try memory.change(MemoryChange(), joining: observer) else {
                preconditionFailure("an observer that joins has a number")
            }
            observers[id] = owner
            return id
        } catch {
            // The observer has mappings that it could not give back, so its owner is to end.
            for id in error.lostObservers where observers[id] == nil { observers[id] = owner }
            throw error
        }
    }

    mutating func removeObserver(_ id: ObserverID) throws(MachineError) {
        try memory.change(MemoryChange(), leaving: [id])
        observers[id] = nil
    }

    /// Ends the functions whose observers are lost.
    mutating func endFunctions(of lost: [ObserverID]) {
        endFunctions(lost.compactMap { observers.removeValue(forKey: $0) })
    }

    /// Ends functions. Such a function answers nobody any more, and its regions go. If observers are lost meanwhile, their
    /// functions end as well.
    mutating func endFunctions(_ functions: [FunctionAddress]) {
        var left = Set(functions)
        while let address = left.min() {
            left.remove(address)
            guard let cell = self.functions[address] else { continue }
            let change = decoded.remove(address)
            ports.remove(address, through: decoded.bridges)
            wantedEvents[address] = nil
            forget(cell)
            do throws(MachineError) {
                try follow(change, isOwed: true)
            } catch {
                left.formUnion(error.lostObservers.compactMap { observers.removeValue(forKey: $0) })
            }
            for (id, owner) in observers where owner == address {
                try? removeObserver(id)
                observers[id] = nil
            }
        }
    }
}

extension MachineError {
    /// The observers that could not take back what they had applied.
    var lostObservers: [ObserverID] {
        if case .memory(.transaction(let error)) = self { error.lost } else { [] }
    }
}
