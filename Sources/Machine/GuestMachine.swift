internal import Board
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
    let layout: MachineLayout
    /// How long it took to take KVM from no slot to those of the start.
    public let mappingTime: Duration

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
        let cpuid = try kvm(try system.supportedCPUID())
        try configuration.validate(on: system, physicalAddressBits: cpuid.physicalAddressBits)

        let vm = try kvm(try system.makeVirtualMachine())
        try kvm(try vm.reserveRealModePages(at: AddressMap.realModePages))
        if configuration.interruptController == .kernel {
            try kvm(try vm.makeInterruptControllers())
        }
        if configuration.hasTimer {
            try kvm(try vm.makeTimer())
        }
        let ram = RAMLayout(memory: configuration.memory)
        let start: StartState
        if let info = try configuration.boot.info(for: image, ram: ram) {
            start = StartState(multiboot: info, entry: image.entry, data: configuration.boot.bootData(info))
        } else {
            start = try StartState(
                mode: image.mode ?? configuration.mode, entry: image.entry, ram: ram, vcpus: configuration.vcpus,
                hasGigabytePages: cpuid.hasGigabytePages)
        }
        let vcpus = try Self.makeVCPUs(configuration.vcpus, of: vm, cpuid: cpuid, start: start)
        let parking = Parking()
        let layout = try MachineLayout(configuration, physicalAddressBits: cpuid.physicalAddressBits)
        var pci = try layout.makePCIDevices()
        let capacity = try layout.memoryCapacity(with: pci)
        let file = try host(try MappedFile(name: "swiftlet", capacity: capacity))
        let windows = try layout.makeWindows()
        var memory = GuestMemory(
            vm: vm, file: file, windows: windows,
            limits: SlotLimits(
                userSlots: min(system.capability(.memslots), 1 << 15),
                highestGuestAddress: GuestAddress((1 << min(52, UInt64(cpuid.physicalAddressBits))) - 1)),
            policy: configuration.policy,
            parking: parking)
        memory.installer.vcpus = vcpus
        mappingTime = try memory.populate(configuration, &pci)
        try memory.load(image, bytes: bytes, with: start.bootData + layout.parameters(mappedEnd: start.mappedEnd))
        let tracer = trace.map { Tracer(descriptor: $0) }
        state = Mutex(
            try MachineState(
                memory: memory, pci: pci, configuration: configuration, tracer: tracer))
        self.vcpus = vcpus
        self.parking = parking
        // Last: until the guest runs, signals end the process as they always do.
        self.events = try host(try HostEvents(catchesSignals: catchesSignals))
        self.consoleOutput = consoleOutput
        self.layout = layout
    }

    /// Makes the machine with a flat image at the usual place.
    public convenience init(
        _ configuration: MachineConfiguration, flat code: [UInt8], catchesSignals: Bool = false,
        consoleOutput: @escaping ConsoleOutput = { _, _ in }
    ) throws(MachineError) {
        let image: Image
        do {
            image = try Image.flat(byteCount: code.count, at: MachineConfiguration.defaultLoadAddress)
        } catch {
            throw .image(error)
        }
        try self.init(
            configuration, image: image, bytes: code, catchesSignals: catchesSignals, consoleOutput: consoleOutput)
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
