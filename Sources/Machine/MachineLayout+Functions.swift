internal import Board
internal import Host
internal import Memslots
internal import PCI

/// The functions of a machine while the machine is being made.
struct FunctionsAtBoot {
    /// A memory register of a function.
    struct Register {
        /// The index of the function.
        let function: Int
        /// The index of the register among the memory registers of the function's shape.
        let register: Int
        let size: UInt64
        let address: UInt64
        /// Whether some of its mapped pieces show memory of the machine's own, which is still to be allocated.
        let needsMemory: Bool
    }

    var functions: [PCIFunction] = []
    fileprivate(set) var shapes: [FunctionShape] = []
    /// The memory of each piece, by function, memory register and piece. It is nil for a trapped piece, and for a mapped one
    /// before its memory is allocated.
    fileprivate(set) var backings: [[[Backing?]]] = []
    fileprivate(set) var resources: [FunctionResources] = []
    var decoded: DecodedMemory

    /// The functions with their memory, each behind a lock.
    var cells: [FunctionAddress: FunctionCell] {
        Dictionary(
            uniqueKeysWithValues: functions.indices.map { index in
                let function = functions[index]
                let cell = FunctionCell(
                    function, shape: shapes[index], backings: backings[index], resources: resources[index])
                return (function.address, cell)
            })
    }

    /// The memory registers in the order of their addresses, so that neighbours in the guest become neighbours in the backing.
    var registers: [Register] {
        var registers: [Register] = []
        for (number, shape) in shapes.enumerated() {
            for (index, memory) in shape.memory.enumerated() {
                let needsMemory = zip(memory.pieces, backings[number][index]).contains {
                    $0.kind == .mapped && $1 == nil
                }
                registers.append(
                    Register(
                        function: number, register: index, size: memory.size,
                        address: functions[number].base(of: memory.register), needsMemory: needsMemory))
            }
        }
        return registers.sorted { ($0.address, $0.function, $0.register) < ($1.address, $1.function, $1.register) }
    }
}

extension MachineLayout {
    /// Makes the functions, with addresses in the apertures and decode on, or as after reset.
    ///
    /// Without functions this makes no dictionary. The first one with a key type of its own makes Swift search all conformances
    /// of the executable, a fifth of the instructions up to the first KVM_RUN.
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
            boot.shapes.append(shape)
            boot.backings.append(Self.backings(of: model, shape))
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
                uniqueKeysWithValues: zip(ordered.map(\.key), boot.shapes.map(\.description)))
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

    /// Returns the memory that a model gives to its mapped pieces, by memory register and piece.
    static func backings(of model: any FunctionModel, _ shape: FunctionShape) -> [[Backing?]] {
        shape.memory.map { memory in
            memory.pieces.map { $0.kind == .mapped ? model.backing(of: $0, in: memory.register) : nil }
        }
    }

    /// Gives memory to those mapped pieces of a register that have none yet.
    static func show(_ memory: Backing, in pieces: [BARPiece], _ backings: inout [Backing?]) {
        for (index, piece) in pieces.enumerated() where piece.kind == .mapped && backings[index] == nil {
            backings[index] = Backing(id: memory.id, offset: memory.offset + piece.offsets.lowerBound)
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
            + functions.registers.filter(\.needsMemory).map(\.size)
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
        try allocate(in: &memory.installer.store, for: &functions)
        for (index, function) in functions.functions.enumerated() {
            // Assigned addresses do not overlap, so the regions that are shown after each function are its own.
            for region in functions.decoded.update(function).added where region.owner.function == function.address {
                let mapping = FunctionCell.mapping(
                    of: region, shape: functions.shapes[index], backings: functions.backings[index])
                if let mapping { mappings.append(mapping) }
            }
        }
        if !configuration.mayExhaustHost {
            // BARs to which the guest still assigns addresses count too.
            let later = configuration.assignsAddresses ? [] : functions.registers.filter(\.needsMemory).map(\.size)
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
        in store: inout BackingStore, for boot: inout FunctionsAtBoot
    ) throws(MachineError) {
        for register in boot.registers where register.needsMemory {
            let backing = try store.allocate(register.size)
            let memory = boot.shapes[register.function].memory[register.register]
            Self.show(backing, in: memory.pieces, &boot.backings[register.function][register.register])
            boot.resources[register.function].memory[backing] = register.size
            if memory.register == .rom {
                let image = boot.functions[register.function].model.romImage ?? Self.romSignature
                _ = store.write(image.span, at: backing)
            }
        }
        try checkBackings(of: boot, in: store)
    }

    /// Throws if a model gives a piece memory that is smaller than the piece.
    private func checkBackings(of boot: FunctionsAtBoot, in store: borrowing BackingStore) throws(MachineError) {
        for (number, function) in boot.functions.enumerated() {
            for (index, memory) in boot.shapes[number].memory.enumerated() {
                for (piece, backing) in zip(memory.pieces, boot.backings[number][index]) {
                    guard let backing else { continue }
                    let size = store.size(of: backing.id) ?? 0
                    guard backing.offset > size || piece.size > size - backing.offset else { continue }
                    let owner = BAROwner(function: function.address, register: memory.register)
                    throw .description(
                        function.address, .backingTooSmall(owner, piece: piece, backing, size: size))
                }
            }
        }
    }

    /// The bytes by which software recognises a ROM (PCI 3.0, 6.3.1.1).
    static let romSignature: [UInt8] = [0x55, 0xaa]
}
