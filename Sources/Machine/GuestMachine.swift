internal import Board
internal import Devices
internal import Host
public import Images
internal import KVM
internal import Memslots
internal import PCI
internal import Synchronization

/// A machine with its guest in it.
///
/// Each vCPU has a POSIX thread. What an exit leads to is guarded by the device or function that it reaches; `state` is for
/// changes of what is decoded, and for memory. docs/concurrency.md has all locks and their order.
public final class GuestMachine: Sendable {
    /// Takes what the guest prints; asks after each signal whether the run has been ended meanwhile.
    public typealias ConsoleOutput = @Sendable (_ bytes: [UInt8], _ isCancelled: () -> Bool) -> Void

    let owned: OwnedVM
    let state: Lock<MachineState>
    /// The number of the present routing, for vCPUs to compare with that of their views.
    let routing: Atomic<UInt64>
    /// What all views have in common.
    let view: RoutingView
    let serial: DeviceCell
    let configAddress = Atomic<UInt32>(0)
    let run: Lock<RunState>
    let vcpus: [VCPU]
    let parking: Parking
    let events: HostEvents
    /// Whether the guest would take input that is not there yet.
    let wantsInput = Atomic(false)
    let console: ConsoleQueue
    let tracer: Tracer?
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

        let owned = OwnedVM(try Self.makeVM(configuration, of: system))
        let layout = try MachineLayout(configuration, physicalAddressBits: cpuid.physicalAddressBits)
        let start = try layout.makeStartState(for: image, hasGigabytePages: cpuid.hasGigabytePages)
        let vcpus = try Self.makeVCPUs(configuration.vcpus, of: owned.vm, cpuid: cpuid, start: start)
        let parking = Parking()
        var functions = try layout.makeFunctions()
        let store = try layout.makeStore(for: functions)
        var installer = KVMSlotInstaller(vm: owned, store: store, windows: try layout.makeWindows(), parking: parking)
        installer.vcpus = vcpus
        let limits = SlotLimits(
            userSlots: min(system.capability(.memslots), 1 << 15),
            highestGuestAddress: GuestAddress((1 << min(52, UInt64(cpuid.physicalAddressBits))) - 1))
        var memory = GuestMemory(installer: installer, limits: limits, policy: configuration.policy)
        mappingTime = try layout.populate(&memory, &functions)
        try memory.load(image, bytes: bytes, with: start.bootData + layout.parameters(mappedEnd: start.mappedEnd))
        var state = MachineState(memory: memory, decoded: functions.decoded, functions: functions.cells)
        try state.takeFirstEvents()
        let serial = DeviceCell(SerialConsole())
        view = try layout.makeView(serial: serial)
        routing = Atomic(state.routing)
        self.state = Lock(state)
        self.owned = owned
        self.serial = serial
        self.vcpus = vcpus
        self.parking = parking
        self.layout = layout
        run = Lock(RunState())
        tracer = trace.map { Tracer(descriptor: $0, vcpus: configuration.vcpus) }
        console = ConsoleQueue(consoleOutput)
        // Last: until the guest runs, signals end the process as they always do.
        events = try host(try HostEvents(catchesSignals: catchesSignals))
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

    private static func makeVM(
        _ configuration: MachineConfiguration, of system: borrowing KVMSystem
    ) throws(MachineError) -> VirtualMachine {
        let vm = try kvm(try system.makeVirtualMachine())
        try kvm(try vm.reserveRealModePages(at: AddressMap.realModePages))
        if configuration.interruptController == .kernel {
            try kvm(try vm.makeInterruptControllers())
        }
        if configuration.hasTimer {
            try kvm(try vm.makeTimer())
        }
        return vm
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

/// How a run is going.
struct RunState: Sendable {
    var outcome: Outcome?
    var vcpus: [VCPUState] = []
    /// The phases that the guest has begun, with the edits and the time until then.
    var phases: [PhaseMark] = []
    var refusals = Refusals()
    /// When the first vCPU first entered the guest; nil before.
    private(set) var firstRun: SuspendingClock.Instant?

    /// A vCPU is about to enter the guest for the first time. All of them count time from the first of these moments on.
    mutating func begin() -> SuspendingClock.Instant {
        let start = firstRun ?? SuspendingClock.now
        firstRun = start
        return start
    }
}
