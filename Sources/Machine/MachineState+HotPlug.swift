internal import Host
internal import Memslots
internal import PCI
internal import Synchronization

// Functions are added and removed while the machine is there.
extension MachineState {
    /// Returns whether a guest can find functions on the bus of an address. Without bridges each bus is a root bus. With bridges a
    /// root bus is bus 0, or a bus with functions to which no bridge leads.
    func hasBus(of address: FunctionAddress) -> Bool {
        let bridges = decoded.bridges
        return address.bus == 0 || bridges.isEmpty || bridges.bridge(above: address) != nil
            || functions.keys.contains { $0.busNumber == address.busNumber }
    }

    /// Adds a function. Its memory, ports, events and observer come in one transaction. If one of them cannot come, everything
    /// is as before.
    mutating func add(
        _ cell: FunctionCell, _ function: PCIFunction, _ observer: (any MemoryObserver)?
    ) throws(MachineError) {
        let address = cell.address
        guard functions[address] == nil else { throw .hotPlug(address, .taken) }
        let (portsBefore, proposal) = (ports, decoded.propose(function))
        ports.update(function, through: decoded.bridges)
        functions[address] = cell
        if !function.events.isEmpty { wantedEvents[address] = function.events }
        do throws(MachineError) {
            if let id = try follow(proposal.change, joining: observer) { observers[id] = address }
        } catch {
            (functions[address], wantedEvents[address], ports) = (nil, nil, portsBefore)
            decoded.withdraw(proposal)
            throw error
        }
        routing &+= 1 << 32
    }

    /// Removes a function. Its memory, ports, events and observers go in one transaction. If one of them cannot go, everything
    /// is as before.
    mutating func remove(_ cell: FunctionCell) throws(MachineError) {
        let address = cell.address
        guard cell.shape.description.bridge == nil else { throw .hotPlug(address, .bridge) }
        let (portsBefore, events, proposal) = (ports, wantedEvents[address], decoded.proposeRemoval(of: address))
        ports.remove(address, through: decoded.bridges)
        wantedEvents[address] = nil
        let leaving = observers.filter { $0.value == address }.map(\.key)
        do throws(MachineError) {
            try follow(proposal.change, leaving: leaving)
        } catch {
            (wantedEvents[address], ports) = (events, portsBefore)
            decoded.withdraw(proposal)
            throw error
        }
        for id in leaving { observers[id] = nil }
        forget(cell)
    }

    /// Removes a function that decodes nothing any more from the state, as one that is lost. A vCPU that finds it in an old
    /// view gets all ones.
    mutating func forget(_ cell: FunctionCell) {
        cell.isLost.store(true, ordering: .releasing)
        functions[cell.address] = nil
        gone.append(cell)
        routing &+= 1 << 32
    }

    /// Returns the functions that are gone and have left nothing in guest memory. Each is returned once.
    mutating func takeGone() -> [FunctionCell] {
        guard owed.isEmpty else { return [] }
        defer { gone = [] }
        return gone
    }

    /// Gives back the memory and the eventfds that the machine had for a function alone.
    mutating func release(_ resources: FunctionResources) {
        for (place, size) in resources.memory { memory.installer.store.release(place, size: size) }
        for number in resources.events { memory.installer.removeEvent(number) }
    }
}
