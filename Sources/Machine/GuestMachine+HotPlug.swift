internal import Board
internal import Host
internal import KVM
internal import Memslots
public import PCI
internal import Synchronization

/// Methods that add and remove functions, before and while the guest runs. All can be called from any thread that holds no lock.
extension GuestMachine {
    /// Adds a function. The function gets free addresses and decodes them, as after firmware, unless the guest assigns
    /// addresses itself (`MachineConfiguration.assignsAddresses`).
    ///
    /// In the slot of a port (`BridgeDescription.hasSlot`) a function has no addresses and decodes nothing at first. The guest
    /// hears of it, gives it power, and assigns addresses.
    ///
    /// A function with a BAR of plain memory gets a memory file of its own, which goes with the function. To find free
    /// addresses, the machine looks at all other functions, and waits for those that are in the middle of an access. For a function
    /// in a slot it looks at bridges only.
    ///
    /// - Returns: The reason why a function in a slot finds no room in the windows of its port, as they are now. The guest can still
    ///   widen them. Nil for a function that finds room, or is in no slot.
    /// - Throws: The reason why there cannot be such a function. Nothing has changed then.
    @discardableResult
    public func add(_ model: any FunctionModel, at address: FunctionAddress) throws(MachineError) -> AssignmentError? {
        try add(at: address, nil) { _ throws(MachineError) in model }
    }

    /// Adds a device that somebody else drives. The machine must have been made with such a device, or with shared RAM.
    ///
    /// - Returns: The reason why the function finds no room, as `add` of a model returns it.
    /// - Throws: The reason why there cannot be such a function. Nothing has changed then, but the device may not be used again.
    @discardableResult
    public func add(_ device: any AssignedDevice, at address: FunctionAddress) throws(MachineError) -> AssignmentError?
    {
        guard layout.configuration.sharesMemory else { throw .hotPlug(address, .privateRAM) }
        return try add(at: address, device) { resources throws(MachineError) in
            try AssignedFunction(device, at: address, in: &resources)
        }
    }

    /// Removes a function. Before this returns, all addresses of the function read as all ones. Its slots, events, interrupts
    /// and memory are given back when no thread is in the middle of an access to it any more.
    ///
    /// - Throws: The reason why the function cannot be removed. Nothing has changed then.
    public func remove(at address: FunctionAddress) throws(MachineError) {
        guard let cell = state.withLock({ $0.functions[address] }) else { throw .functionLost(address) }
        try take(cell)
        leaveSlot(address)
        endGoneFunctions()
        updateMultifunction(ofDeviceAt: address)
    }

    /// Tells the port of a slot that the function in the slot has gone. Only the interrupt to the guest can be refused then,
    /// and that refusal is ignored.
    func leaveSlot(_ address: FunctionAddress) {
        if let port = portWithSlot(for: address) { try? settle(port) }
    }

    /// Adds a function whose model `makeModel` makes, with the device behind it if there is one.
    private func add(
        at address: FunctionAddress, _ device: (any AssignedDevice)?,
        _ makeModel: (inout AddedResources) throws(MachineError) -> any FunctionModel
    ) throws(MachineError) -> AssignmentError? {
        guard layout.hasFunctions else { throw .hotPlug(address, .noConfigurationSpace) }
        do { try layout.board.checkBuses([address.busNumber]) } catch { throw .board(error) }
        guard state.withLock({ $0.hasBus(of: address) }) else { throw .hotPlug(address, .noBus) }
        let port = portWithSlot(for: address)
        guard port?.slot?.address ?? address == address else { throw .hotPlug(address, .notInSlot) }
        let lack = try additions.withLock { _ throws(MachineError) in
            guard state.withLock({ $0.functions[address] == nil }) else { throw .hotPlug(address, .taken) }
            var resources = AddedResources(machine: self)
            var parts: AssignedParts?
            var isThere = false
            do throws(MachineError) {
                let (function, memory, lack) = try make(
                    makeModel(&resources), at: address, isInSlot: port != nil, &resources)
                parts = device.map { [function] in makeParts(of: $0, function) }
                try parts?.interrupts?.follow(function.interruptState)
                let cell = FunctionCell(function, memory, resources.taken)
                cell.assigned.withLock { [parts] in $0 = parts }
                let observer = device.map { $0.makeObserver(of: sharedRAM) }
                try changeState { [function] state throws(MachineError) in try state.add(cell, function, observer) }
                isThere = true
                if let device { try watch(device, of: cell) }
                if let port { try settle(port, isButtonPressed: true) }
                return lack
            } catch {
                if isThere {
                    try? remove(at: address)
                } else {
                    parts?.interrupts?.end()
                    state.withLock { [taken = resources.taken] in $0.release(taken) }
                }
                throw error
            }
        }
        updateMultifunction(ofDeviceAt: address)
        lint?.forget(address)
        return lack
    }

    /// Makes a function with its memory and addresses. It is not in the machine yet. For a function in a slot, returns why it finds
    /// no room behind its port.
    private func make(
        _ model: any FunctionModel, at address: FunctionAddress, isInSlot: Bool,
        _ resources: inout AddedResources
    ) throws(MachineError) -> (PCIFunction, FunctionMemory, AssignmentError?) {
        var kinds: [FunctionShape] = []
        let shape = try MachineLayout.shape(of: model, at: address, among: &kinds)
        guard shape.description.bridge == nil else { throw .hotPlug(address, .bridge) }
        var function = PCIFunction(model, at: address, shape: shape)
        var memory = FunctionMemory(of: model, shape)
        try giveMemory(to: model, &memory, &resources)
        function.isMultifunction = address.function != 0
        function.hasPower = !isInSlot
        let (cells, mapped, bridges) = state.withLock { state in
            (
                Array(state.functions.values), state.memory.space.mappings(in: .everything).map(\.range),
                state.decoded.bridges
            )
        }
        layout.connectLine(of: &function, behind: bridges)
        guard layout.configuration.assignsAddresses || isInSlot else { return (function, memory, nil) }
        // The function of a slot is alone on its bus. So only the windows of bridges matter, and no device is waited for.
        let others = cells.filter { !isInSlot || $0.shape.description.bridge != nil }.compactMap {
            $0.withFunction { $0 }
        }
        do throws(AssignmentError) {
            let assigner = AddressAssigner(layout.board.apertures)
            let places = try assigner.assign(shape.description, at: address, beside: others, avoiding: mapped)
            if !isInSlot { places.forEach { function.place($0) } }
        } catch {
            guard isInSlot else { throw .assignment(error) }
            return (function, memory, error)
        }
        return (function, memory, nil)
    }

    /// Makes a memory file for those BARs and the ROM of a function for which the model has no memory.
    private func giveMemory(
        to model: any FunctionModel, _ memory: inout FunctionMemory, _ resources: inout AddedResources
    ) throws(MachineError) {
        let registers = memory.shape.memory
        let needy = registers.indices.filter(memory.needsMemory)
        let size = needy.reduce(UInt64(0)) { $0 &+ registers[$1].size }
        guard size > 0 else { return }
        if !layout.configuration.mayExhaustHost {
            try Footprint.checkHostMemory { Footprint.kernelBytes(pages: size >> Page.shift, mmu: $0) }
        }
        let file = try host(try MemoryFile.sealed(name: "swiftlet-added", size: size))
        let part = try host(try ForeignMemory(file, offset: 0, size: size))
        let backing: ForeignBacking
        do { backing = try ForeignBacking(part) } catch { throw .host(error) }
        var place = resources.add(backing)
        for index in needy {
            memory.show(place, in: index)
            if registers[index].register == .rom {
                let image = model.romImage ?? MachineLayout.romSignature
                _ = backing.memory.withLock { $0?.write(image.span, at: place.offset) }
            }
            place.offset += registers[index].size
        }
    }

    /// Sets in all functions of a device whether the device has other functions than function 0.
    private func updateMultifunction(ofDeviceAt address: FunctionAddress) {
        let cells = state.withLock { state in
            state.functions.values.filter { $0.address.deviceAddress == address.deviceAddress }
        }
        let isMultifunction = cells.contains { $0.address.function != 0 }
        for cell in cells { _ = cell.withFunction { $0.isMultifunction = isMultifunction } }
    }
}

/// The memory and the eventfds that a machine has taken for a function that is being added.
private struct AddedResources: DeviceResources {
    let machine: GuestMachine
    var taken = FunctionResources()

    mutating func add(_ backing: ForeignBacking) -> Backing {
        let id = machine.state.withLock { $0.memory.add(backing) }
        machine.container?.setHostAddress(backing.reservation.address, of: id)
        let place = Backing(id: id, offset: 0)
        taken.memory[place] = backing.reservation.size
        return place
    }

    mutating func add(_ event: SharedDescriptor) -> Int {
        let number = machine.state.withLock { $0.memory.installer.add(event) }
        taken.events.append(number)
        return number
    }
}
