internal import Host
public import Images
internal import KVM
internal import Memslots
internal import Synchronization

/// A machine with its guest in it.
///
/// Each vCPU has a POSIX thread. One lock covers what an exit leads to, never KVM_RUN.
public final class GuestMachine: Sendable {
    /// Takes what the guest prints; asks after each signal whether the run has been ended meanwhile.
    public typealias ConsoleOutput = @Sendable (_ bytes: [UInt8], _ isCancelled: () -> Bool) -> Void

    let state: Mutex<MachineState>
    let vcpus: [VCPU]
    let parking: Parking
    let events: HostEvents
    let consoleOutput: ConsoleOutput

    /// Makes the machine and loads `image`, whose segments refer to `bytes`.
    ///
    /// `trace` is a descriptor that gets a line for each exit. Where the machine `catchesSignals`, SIGINT and SIGTERM end
    /// its run instead of the process.
    public init(
        _ configuration: MachineConfiguration, image: Image, bytes: [UInt8], trace: Int32? = nil,
        catchesSignals: Bool = false, consoleOutput: @escaping ConsoleOutput
    ) throws(MachineError) {
        try configuration.validate()
        let system = try reachable(try KVMSystem())
        let events = try host(try HostEvents(catchesSignals: catchesSignals))
        let cpuid = try kvm(try system.supportedCPUID())
        try configuration.validate(on: system, physicalAddressBits: cpuid.physicalAddressBits)

        let vm = try kvm(try system.makeVirtualMachine())
        try kvm(try vm.reserveRealModePages(at: Self.realModePages))
        if configuration.interruptController == .kernel {
            try kvm(try vm.makeInterruptControllers())
        }
        let start = try StartState(
            mode: configuration.mode, entry: image.entry, ram: RAMLayout(memory: configuration.memory),
            vcpus: configuration.vcpus, hasGigabytePages: cpuid.hasGigabytePages)
        let vcpus = try Self.makeVCPUs(configuration.vcpus, of: vm, cpuid: cpuid, start: start)
        let parking = Parking()
        let file = try host(try MappedFile(name: "swiftlet", capacity: configuration.memoryCapacity))
        let windows = try Self.makeWindows(configuration, physicalAddressBits: cpuid.physicalAddressBits)
        var memory = GuestMemory(
            vm: vm, file: file, windows: windows,
            limits: SlotLimits(
                userSlots: min(system.capability(.memslots), 1 << 15),
                highestGuestAddress: GuestAddress((1 << min(52, UInt64(cpuid.physicalAddressBits))) - 1)),
            policy: configuration.policy,
            parking: parking)
        memory.installer.vcpus = vcpus
        try memory.populate(configuration)
        try memory.load(image, bytes: bytes, with: start.bootData)
        let tracer = trace.map { Tracer(descriptor: $0) }
        state = Mutex(
            try MachineState(memory: memory, interruptController: configuration.interruptController, tracer: tracer))
        self.vcpus = vcpus
        self.parking = parking
        self.events = events
        self.consoleOutput = consoleOutput
    }

    /// Four pages in the hole that some Intel processors need for real mode; no device lies there.
    private static let realModePages: UInt32 = 0xfffb_c000

    private static func makeWindows(
        _ configuration: MachineConfiguration, physicalAddressBits: Int
    ) throws(MachineError) -> HostWindows {
        guard configuration.policy == .coalesced else { return HostWindows() }
        let high = Apertures.high(above: RAMLayout(memory: configuration.memory), addressBits: physicalAddressBits)
        return try host(try HostWindows(low: Apertures.low, high: high))
    }

    private static func makeVCPUs(
        _ count: Int, of vm: borrowing VirtualMachine, cpuid: [CPUIDEntry], start: StartState
    ) throws(MachineError) -> [VCPU] {
        var vcpus: [VCPU] = []
        for id in 0..<UInt32(count) {
            let cpu = try kvm(try vm.makeVirtualCPU(id: id))
            try kvm(try cpu.setCPUID(cpuid.forAPIC(id: id)))
            vcpus.append(VCPU(cpu))
        }
        let first = vcpus[0]
        var system = try kvm(try first.cpu.systemRegisters())
        start.apply(to: &system)
        try kvm(try first.cpu.setSystemRegisters(system))
        try kvm(try first.cpu.setGeneralRegisters(start.registers))
        return vcpus
    }
}

// MARK: - Limits of the host

extension MachineConfiguration {
    /// Bytes of memory in all.
    fileprivate var memoryCapacity: UInt64 {
        extraSlots.map(\.range.size).reduce(memory + spareMemory, +)
    }

    fileprivate func validate(on system: borrowing KVMSystem, physicalAddressBits: Int) throws(MachineError) {
        let most = system.capability(.maximumVCPUs)
        guard vcpus <= most else {
            throw .configuration("\(vcpus) vCPUs: KVM runs at most \(most) in a machine here (KVM_CAP_MAX_VCPUS)")
        }
        let end = RAMLayout(memory: memory).end
        guard physicalAddressBits >= 64 || end <= 1 << physicalAddressBits else {
            throw .configuration(
                "a memory of \(memory) bytes: guest-physical addresses have \(physicalAddressBits) bits here, so RAM "
                    + "and the hole below 4G must end at or below \(hexadecimal(1 << physicalAddressBits))")
        }
        for slot in extraSlots where slot.range.last.rawValue >> physicalAddressBits != 0 {
            throw .configuration(
                "extra memory at \(slot.range): guest-physical addresses have \(physicalAddressBits) bits here")
        }
    }
}

// MARK: - Memory

extension GuestMemory {
    /// Maps the RAM and the extra slots.
    fileprivate mutating func populate(_ configuration: MachineConfiguration) throws(MachineError) {
        let ram = try allocate(configuration.memory)
        var mappings = RAMLayout(memory: configuration.memory).mappings(offset: ram.offset)
        for slot in configuration.extraSlots {
            let backing = try allocate(slot.range.size)
            mappings.append(Mapping(range: slot.range, backing: backing, access: slot.access, owner: "extra slot"))
        }
        if !configuration.mayExhaustHost {
            try Self.checkFootprint(of: mappings)
        }
        try change(adding: mappings)
        for slot in configuration.extraSlots {
            label(slot.range)
        }
    }

    /// Refuses mappings for whose slots the kernel would need more than half of the memory that the host has available.
    private static func checkFootprint(of mappings: [Mapping]) throws(MachineError) {
        let needed = mappings.reduce(0) { $0 + Footprint.kernelBytes(pages: $1.range.pages, mmu: .shadow) }
        // Asking takes a file to be read, and small machines need not ask.
        guard needed > 64 << 20 else { return }
        let available = try host(try KernelFigures.ofHost()).bytes("MemAvailable") ?? 0
        guard needed <= available / 2 else {
            throw .hostMemory(needed: needed, available: available)
        }
    }

    /// Lets each page of a range begin with its own guest address.
    private func label(_ range: GuestRange) {
        for page in 0..<range.pages {
            guard let address = range.first.advanced(by: page << Page.shift) else { return }
            _ = write(littleEndian([address.rawValue]), at: address)
        }
    }

    /// Copies the boot data and the image into guest memory.
    fileprivate func load(
        _ image: Image, bytes: [UInt8], with bootData: [StartState.BootData]
    ) throws(MachineError) {
        for data in bootData {
            let range = GuestRange(first: data.address, size: UInt64(data.bytes.count))
            for segment in image.segments where range?.overlaps(segment.range) == true {
                throw .imagePlacement(
                    "the image at \(segment.range) lies over \(data.what) at \(data.address): load it elsewhere "
                        + "(--load-address), from \(hexadecimal(StartState.Low.stackTop)) on")
            }
            guard write(data.bytes, at: data.address) else {
                throw .configuration("the memory is too small: \(data.what) at \(data.address) is outside it")
            }
        }
        for segment in image.segments {
            guard isRAM(segment.range), write(Array(bytes[segment.bytes]), at: segment.range.first) else {
                throw .imagePlacement(
                    "the image needs memory at \(segment.range), where the guest has none: give it more memory (--memory) or load "
                        + "it lower (--load-address)")
            }
        }
    }

    /// Whether all of a range is mapped, also the part that stays zero.
    private func isRAM(_ range: GuestRange) -> Bool {
        var next = range.first
        for mapping in space.mappings(in: range) {
            guard mapping.range.contains(next) else { return false }
            guard mapping.range.last < range.last, let behind = mapping.range.last.advanced(by: 1) else { return true }
            next = behind
        }
        return false
    }
}
