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
///     let guest = BuiltInGuest.named("hello")!
///     let machine = try GuestMachine(guest.configuration, flat: guest.image) { bytes, _ in
///         print(String(decoding: bytes, as: UTF8.self), terminator: "")
///     }
///     let report = try machine.run(timeout: .seconds(5))
///
/// Its methods can be called from any thread, before, during and after the run. Each vCPU has a POSIX thread. Each device and each
/// function has a lock of its own, and `state` is behind the machine lock, which is for memory and for changes of what is decoded.
/// docs/concurrency.md has all locks and their order.
public final class GuestMachine: Sendable {
    /// A closure that takes what the guest prints. A closure that has to wait, for a slow reader for example, asks
    /// `isCancelled` after each signal whether the run has been ended meanwhile, and then gives up.
    public typealias ConsoleOutput = @Sendable (_ bytes: [UInt8], _ isCancelled: () -> Bool) -> Void

    let owned: OwnedVM
    let state: Lock<MachineState>
    /// The number of the present routing. A vCPU compares it with the number of its view.
    let routing: Atomic<UInt64>
    /// The view that each vCPU copies to make its own. It has the board's devices, and number 0.
    let view: RoutingView
    let serial: DeviceCell
    let configAddress = Atomic<UInt32>(0)
    let run: Lock<RunState>
    let vcpus: [VCPU]
    let parking: Parking
    let events: HostEvents
    /// The debugger's handler for vCPUs that stop by themselves, or nil. Without a handler a fault ends the run at once.
    let debugger = Lock<StopHandler?>(nil)
    /// Whether the guest would take input that has not come yet.
    let wantsInput = Atomic(false)
    let console: ConsoleQueue
    /// The bytes that a program has sent to the guest's console and that the guest has not read yet.
    let input = Lock(InputQueue())
    /// The events of which the machine's user has not been told yet, and the handlers.
    let news = Lock(EventQueue())
    /// Whether `run` has been called.
    let hasRun = Atomic(false)
    let tracer: Tracer?
    let lint: LintLog?
    let container: VFIOContainer?
    /// The lock under which one thread at a time adds a function. The thread holds it from the search for free addresses on.
    let additions = Lock(())
    let layout: MachineLayout
    /// The time that it took to create the slots with which the guest starts.
    public let mappingTime: Duration

    /// Makes the machine and loads an image.
    ///
    /// - Parameters:
    ///   - configuration: The parts of the machine.
    ///   - image: The image, whose segments refer to `bytes`.
    ///   - bytes: The file from which the image was read.
    ///   - trace: A descriptor that gets a line for each exit, or nil. It must stay open as long as the machine lasts.
    ///   - lint: A descriptor that gets a line for each rule that the guest breaks when it uses PCI functions (`DriverLint`), or nil. It
    ///     must stay open as long as the machine lasts.
    ///   - catchesSignals: Whether SIGHUP, SIGINT, SIGQUIT, SIGPIPE and SIGTERM end the machine's run instead of the process, from now on
    ///     until the end of the run.
    ///   - consoleOutput: A closure that takes what the guest prints.
    package init(
        _ configuration: MachineConfiguration, image: Image, bytes: [UInt8], trace: Int32?, lint: Int32?,
        catchesSignals: Bool = false, consoleOutput: @escaping ConsoleOutput
    ) throws(MachineError) {
        try configuration.validate()
        // This comes first, so that a signal during the making of the machine ends the machine's run, which has a report.
        let events = try host(try HostEvents(catchesSignals: catchesSignals))
        let system = try reachable(try KVMSystem())
        let cpuid = try configuration.cpuid(of: system)
        try configuration.validate(on: system, physicalAddressBits: cpuid.physicalAddressBits)

        let owned = OwnedVM(try Self.makeVM(configuration, of: system))
        var configuration = configuration
        let container = try VFIOContainer.open(&configuration, for: owned.vm)
        let layout = try MachineLayout(configuration, physicalAddressBits: cpuid.physicalAddressBits)
        var functions = try layout.makeFunctions()
        let start = try layout.makeStartState(for: image, cpuid, functions)
        let vcpus = try Self.makeVCPUs(configuration.vcpus, of: owned.vm, cpuid: cpuid, start: start)
        let store = try layout.makeStore(for: functions)
        var installer = KVMSlotInstaller(vm: owned, store: store, windows: try layout.makeWindows())
        let parking = installer.parking
        installer.vcpus = vcpus
        for event in configuration.givenEvents { _ = installer.add(event) }
        let limits = SlotLimits(
            userSlots: min(try kvm(try system.capability(.memslots)), 1 << 15),
            highestGuestAddress: GuestAddress((1 << min(52, UInt64(cpuid.physicalAddressBits))) - 1))
        var memory = GuestMemory(installer: installer, limits: limits, policy: configuration.policy)
        mappingTime = try layout.populate(&memory, &functions)
        try memory.load(image, bytes: bytes, with: start.bootData + layout.parameters(mappedEnd: start.mappedEnd))
        var state = MachineState(memory: memory, decoded: functions.decoded, functions: functions.cells)
        try state.takeFirstEvents()
        try container?.prepare(state.memory.installer.store.hostAddresses, ram: layout.board.ram.ranges)
        self.lint = lint.map { [board = layout.board, functions] descriptor in
            LintLog(DriverLint(board: board, functions: functions.functions), descriptor: descriptor)
        }
        self.container = container
        let serial = DeviceCell(SerialConsole(Serial16550(isForLinux: image.format.isLinux)))
        view = try layout.makeView(serial: serial, for: image)
        routing = Atomic(state.routing)
        self.state = Lock(state)
        self.owned = owned
        self.serial = serial
        self.vcpus = vcpus
        self.parking = parking
        self.layout = layout.withoutParts()
        run = Lock(RunState())
        tracer = trace.map { Tracer(descriptor: $0, vcpus: configuration.vcpus, limit: configuration.traceLimit) }
        console = ConsoleQueue(watchesForPanic: image.format.isLinux, consoleOutput)
        self.events = events
        try attachDevices(configuration.assignedDevices)
    }

    /// Makes the machine and loads an image, whose segments refer to `bytes`.
    public convenience init(
        _ configuration: MachineConfiguration, image: Image, bytes: [UInt8], catchesSignals: Bool = false,
        consoleOutput: @escaping ConsoleOutput
    ) throws(MachineError) {
        try self.init(
            configuration, image: image, bytes: bytes, trace: nil, lint: nil, catchesSignals: catchesSignals,
            consoleOutput: consoleOutput)
    }

    /// Makes the machine with a flat image, which is loaded and started at `MachineConfiguration.defaultLoadAddress`.
    public convenience init(
        _ configuration: MachineConfiguration, flat code: [UInt8], catchesSignals: Bool = false,
        consoleOutput: @escaping ConsoleOutput = { _, _ in }
    ) throws(MachineError) {
        let guest = try GuestImage(code, as: .flat)
        try self.init(
            configuration, image: guest.image, bytes: code, catchesSignals: catchesSignals, consoleOutput: consoleOutput
        )
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
            try kvm(try cpu.setCPUID(cpuid.forVCPU(id: id, of: count)))
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

/// The state of a run, which all threads write.
struct RunState: Sendable {
    var outcome: Outcome?
    /// The vCPU whose exit ended the run.
    var endedBy: UInt32?
    /// The phases that the guest has begun, with the edits and the time until then.
    var phases: [PhaseMark] = []
    var refusals = Refusals()
    /// The functions that ended because their devices were lost.
    var losses: [FunctionLoss] = []
    /// The time at which the first vCPU first entered the guest, or nil before.
    private(set) var firstRun: SuspendingClock.Instant?

    /// Notes that a vCPU is about to enter the guest for the first time.
    ///
    /// - Returns: The first such time of all vCPUs, from which all of them count.
    mutating func begin() -> SuspendingClock.Instant {
        let start = firstRun ?? SuspendingClock.now
        firstRun = start
        return start
    }
}
