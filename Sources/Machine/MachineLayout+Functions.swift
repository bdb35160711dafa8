internal import Board
internal import Host
internal import Memslots
internal import PCI

/// The functions of a machine while the machine is being made.
struct FunctionsAtBoot {
    /// A memory register of a function, some of whose mapped pieces show memory of the machine's own: the index of the function, and
    /// the index of the register among the memory registers of the function's shape.
    typealias Register = (function: Int, register: Int, size: UInt64, address: UInt64)

    var functions: [PCIFunction] = []
    fileprivate(set) var memory: [FunctionMemory] = []
    fileprivate(set) var resources: [FunctionResources] = []
    var decoded: DecodedMemory

    /// The functions with their memory, each behind a lock.
    var cells: [FunctionAddress: FunctionCell] {
        Dictionary(
            uniqueKeysWithValues: functions.indices.map { index in
                (functions[index].address, FunctionCell(functions[index], memory[index], resources[index]))
            })
    }

    /// The memory registers whose memory is still to be allocated, in the order of their addresses, so that neighbours in the
    /// guest become neighbours in the backing.
    var registersWithoutMemory: [Register] {
        var registers: [Register] = []
        for (number, memory) in memory.enumerated() {
            for (index, register) in memory.shape.memory.enumerated() where memory.needsMemory(index) {
                registers.append((number, index, register.size, functions[number].base(of: register.register)))
            }
        }
        return registers.sorted { ($0.address, $0.function, $0.register) < ($1.address, $1.function, $1.register) }
    }
}

extension MachineLayout {
    /// Makes the functions, with addresses in the apertures and decode on, or as after reset.
    ///
    /// Without functions this makes no dictionary. The first dictionary with a key type of the program's own makes Swift search
    /// all conformances of the executable. That takes a fifth of the instructions up to the first KVM_RUN.
    func makeFunctions() throws(MachineError) -> FunctionsAtBoot {
        var boot = FunctionsAtBoot(
            decoded: DecodedMemory(
                reserved: board.reserved + configuration.extraSlots.map(\.range), policy: configuration.decode,
                bridges: hasFunctions ? try makeBridges() : BridgeTree()))
        guard hasFunctions else { return boot }
        let ordered = configuration.functions.sorted { $0.key < $1.key }
        var kinds: [FunctionShape] = []
        for (address, model) in ordered {
            let shape = try Self.shape(of: model, at: address, among: &kinds)
            boot.functions.append(PCIFunction(model, at: address, shape: shape))
            boot.memory.append(FunctionMemory(of: model, shape))
            boot.resources.append((model as? AssignedFunction)?.resources ?? FunctionResources())
        }
        setMultifunction(&boot.functions)
        for (index, function) in boot.functions.enumerated() {
            guard let slot = function.description.bridge?.slot(segment: function.address.segment) else { continue }
            if configuration.functions[slot] != nil { boot.functions[index].occupySlot() }
        }
        for index in boot.functions.indices { connectLine(of: &boot.functions[index], behind: boot.decoded.bridges) }
        guard configuration.assignsAddresses else { return boot }
        do throws(AssignmentError) {
            let descriptions = Dictionary(
                uniqueKeysWithValues: boot.functions.map { ($0.address, $0.description) })
            var index = 0
            // Functions and assignments are both in the order of addresses.
            var assigner = AddressAssigner(board.apertures)
            assigner.fixed = configuration.fixedAddresses
            for index in boot.functions.indices { boot.functions[index].numberBuses() }
            for assignment in try assigner.assign(descriptions) {
                while boot.functions[index].address != assignment.owner.function { index += 1 }
                boot.functions[index].place(assignment)
            }
        } catch {
            throw .assignment(error)
        }
        return boot
    }

    /// Connects the interrupt pin of a function, if it has one, to the line to which the bridges above lead the pin.
    func connectLine(of function: inout PCIFunction, behind bridges: BridgeTree) {
        guard configuration.interruptController == .kernel, function.interruptPin > 0 else { return }
        let devices = bridges.path(to: function.address).reduce(0) { $0 + Int($1.device) }
        function.connect(toLine: BoardInterrupts.line(ofDevice: devices, pin: Int(function.interruptPin) - 1))
    }

    /// Returns the tree of the functions that are bridges.
    private func makeBridges() throws(MachineError) -> BridgeTree {
        do throws(DescriptionError) { return try BridgeTree(configuration.functions.mapValues(\.description)) } catch {
            throw .assignment(.bridges(error))
        }
    }

    /// Returns the shape of a model. Models with equal descriptions share one, and a machine has few kinds of them.
    static func shape(
        of model: any FunctionModel, at address: FunctionAddress, among kinds: inout [FunctionShape]
    ) throws(MachineError) -> FunctionShape {
        let description = model.description
        if let shape = kinds.last(where: { $0.description == description }) { return shape }
        do throws(DescriptionError) {
            let shape = try FunctionShape(description)
            kinds.append(shape)
            if kinds.count > 8 { kinds.removeFirst() }
            return shape
        } catch {
            throw .description(address, error)
        }
    }

    /// Marks the functions of each device that has other functions than function 0 as multifunction (PCI 3.0, 6.2.1).
    private func setMultifunction(_ functions: inout [PCIFunction]) {
        let devices = Set(functions.filter { $0.address.function != 0 }.map(\.address.deviceAddress))
        for index in functions.indices where devices.contains(functions[index].address.deviceAddress) {
            functions[index].isMultifunction = true
        }
    }

    /// Makes the host memory of the machine, and adds all backings that it was given.
    func makeStore(for functions: FunctionsAtBoot) throws(MachineError) -> BackingStore {
        let parts =
            [configuration.spareMemory] + configuration.extraSlots.map(\.range.size)
            + functions.registersWithoutMemory.map(\.size)
        var sum: UInt64 = 0
        for part in parts {
            let (next, overflow) = sum.addingReportingOverflow(part)
            guard !overflow else { throw .configuration(.sum) }
            sum = next
        }
        // Windows mirror all mappings in apertures, those of RAM too if somebody maps it there. RAM is mapped a second time then.
        let isShared = configuration.sharesMemory || configuration.policy == .coalesced
        var store = try host(try BackingStore(ram: configuration.memory, isShared: isShared, machine: sum))
        for backing in configuration.backings { _ = store.add(backing) }
        return store
    }

    /// Maps the RAM, the extra slots and the memory that PCI functions decode, in one transaction. Returns the time that this took.
    func populate(
        _ memory: inout GuestMemory, _ functions: inout FunctionsAtBoot
    ) throws(MachineError) -> Duration {
        var mappings = board.ram.mappings(of: Backing(id: BackingStore.ram, offset: 0))
        for slot in configuration.extraSlots {
            let backing = try memory.installer.store.allocate(slot.range.size)
            mappings.append(Mapping(range: slot.range, backing: backing, access: slot.access, owner: .extra))
        }
        let own = functions.registersWithoutMemory
        try allocate(own, in: &memory.installer.store, for: &functions)
        for (index, function) in functions.functions.enumerated() {
            // Assigned addresses do not overlap, so each function brings only regions of its own.
            for region in functions.decoded.update(function).added where region.owner.function == function.address {
                if let mapping = functions.memory[index].mapping(of: region) { mappings.append(mapping) }
            }
        }
        if !configuration.mayExhaustHost {
            // BARs to which the guest will assign addresses have no mappings yet. They count too.
            let later = configuration.assignsAddresses ? [] : own.map(\.size)
            try Footprint.checkHostMemory { mmu in
                (mappings.map(\.range.size) + later).reduce(0) {
                    $0 + Footprint.kernelBytes(pages: $1 >> Page.shift, mmu: mmu)
                }
            }
        }
        let start = SuspendingClock.now
        try memory.change(MemoryChange(added: mappings))
        let time = SuspendingClock.now - start
        for slot in configuration.extraSlots { memory.label(slot.range) }
        return time
    }

    /// Allocates the memory of those BARs and ROMs that show memory of the machine's own, in the order of their addresses.
    private func allocate(
        _ registers: [FunctionsAtBoot.Register], in store: inout BackingStore, for boot: inout FunctionsAtBoot
    ) throws(MachineError) {
        for register in registers {
            let backing = try store.allocate(register.size)
            boot.memory[register.function].show(backing, in: register.register)
            boot.resources[register.function].memory[backing] = register.size
            if boot.memory[register.function].shape.memory[register.register].register == .rom {
                let image = boot.functions[register.function].model.romImage ?? Self.romSignature
                _ = store.write(image.span, at: backing)
            }
        }
        try checkBackings(of: boot, in: store)
    }

    /// Throws if a model gives a piece memory that is smaller than the piece.
    private func checkBackings(of boot: FunctionsAtBoot, in store: borrowing BackingStore) throws(MachineError) {
        for (function, memory) in zip(boot.functions, boot.memory) {
            for (register, backings) in zip(memory.shape.memory, memory.backings) {
                for case (let piece, let backing?) in zip(register.pieces, backings) {
                    let size = store.size(of: backing.id) ?? 0
                    guard backing.offset > size || piece.size > size - backing.offset else { continue }
                    let owner = BAROwner(function: function.address, register: register.register)
                    throw .description(
                        function.address, .backingTooSmall(owner, piece: piece, backing, size: size))
                }
            }
        }
    }

    /// The bytes by which software recognises a ROM (PCI 3.0, 6.3.1.1).
    static let romSignature: [UInt8] = [0x55, 0xaa]
}
