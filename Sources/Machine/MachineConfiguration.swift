public import Board
public import Devices
internal import Host
public import Images
public import KVM
public import Layouts
public import Memslots
public import PCI

/// The interrupt controllers of a machine.
public enum InterruptController: String, CaseIterable, Sendable {
    /// No interrupt controllers: HLT ends the run.
    case none
    /// PICs, IOAPIC and local APICs in the kernel: HLT waits for an interrupt.
    case kernel
}

/// The ACPI tables that a guest finds, and with them the registers that it knows of.
public enum ACPIKind: String, CaseIterable, Sendable {
    /// No tables.
    case off
    /// The tables of hardware-reduced ACPI.
    case on
    /// The tables of ACPI with fixed hardware: a PM timer, events, and an interrupt for them (SCI).
    case full
}

/// The parts of a machine that is to be made.
public struct MachineConfiguration: Sendable {
    /// The size of the RAM in bytes: a multiple of the page size.
    public var memory: UInt64
    /// The mode in which the first vCPU starts.
    public var mode: CPUMode
    /// The number of vCPUs. More than one need an interrupt controller.
    public var vcpus: Int
    /// The interrupt controllers.
    public var interruptController: InterruptController
    /// The features of the processors that are added to those that KVM offers (true), or taken away (false).
    public var features: [CPUFeature: Bool] = [:]
    /// Whether there is the timer of a PC (an 8254, on interrupt line 0). It costs 15 ms at the end of a run.
    public var hasTimer = false
    /// The tables of ACPI, or nil for the usual ones: a kernel that the protocols of Linux or PVH start has those of
    /// hardware-reduced ACPI on a machine with interrupt controllers. Other guests have none.
    public var acpi: ACPIKind?
    /// The rule for the status of a run that the guest ends at the exit port.
    public var exitStatus = ExitStatusRule.value
    /// The values of general registers at the start, beside the usual ones. Only a guest whose format does not say what
    /// registers hold can have them.
    public var registers: [GeneralRegisters.Name: UInt64] = [:]
    /// The command line and the modules of a kernel that takes them.
    public var boot = BootArguments()
    /// The memory beside the RAM.
    public var extraSlots: [ExtraSlot]
    /// The places of the apertures and the number of PCI buses, unless they are the usual ones.
    public var board = AddressMap.Choices()
    /// The PCI functions, with the model that stands behind each.
    public var functions: [FunctionAddress: any FunctionModel] = [:]
    /// The functions of the host that are assigned by VFIO, as the kernel names them, such as `0000:01:00.0`.
    public var vfio: [FunctionAddress: String] = [:]
    /// The user's own devices at I/O ports.
    public var portDevices: [AttachedDevice] = []
    /// The user's own devices in memory where nothing is mapped.
    public var memoryDevices: [AttachedDevice] = []
    /// The foreign backings. `add` adds to them.
    public private(set) var backings: [ForeignBacking] = []
    /// The eventfds that devices have for writes to them, in the order of their numbers (`FunctionEvent.descriptor`).
    private(set) var givenEvents: [SharedDescriptor] = []
    /// The size in bytes after which a trace ends, with a line that says so, or nil for any size.
    public var traceLimit: UInt64?
    /// What happens to the run after a refusal.
    public var onRefusal = RefusalPolicy.continue
    /// Whether PCI functions have addresses in the apertures and decode on when the guest starts, as after firmware. Otherwise
    /// they are as after reset, and the guest assigns addresses.
    public var assignsAddresses = true
    /// The addresses that some BARs and ROMs have when the guest starts, whatever the addresses of the others are.
    public var fixedAddresses: [BAROwner: UInt64] = [:]
    /// What happens to the mapped memory of a function while its decode is off.
    public var decode = DecodePolicy.strict
    /// The size in bytes of the host memory that can be allocated and mapped after the machine was made
    /// (`GuestMachine.allocate`).
    public var spareMemory: UInt64
    /// Whether the RAM is in a memory file, which other processes can map. Otherwise it is memory of this process alone, in
    /// huge pages if the host has them. Where neighbours share slots, the RAM is in a file in any case.
    public var sharesMemory = false
    /// The policy by which mappings become slots.
    public var policy: SlotPolicy
    /// Whether the kernel's own memory for the slots may take more than half of the memory that the host has available.
    public var mayExhaustHost = false

    /// The number of the signal that calls vCPUs out of the guest, or nil for the first real-time signal. A process has one
    /// such signal. Its first running machine takes the signal, and its last one gives the signal back. The process must not
    /// handle this signal otherwise.
    public var kickSignal: Int32?

    /// Creates the configuration of a machine without PCI functions. Parts that are not given are those of a small guest in long mode.
    public init(
        memory: UInt64 = 2 << 20, mode: CPUMode = .long, vcpus: Int = 1,
        interruptController: InterruptController = .none, extraSlots: [ExtraSlot] = [], spareMemory: UInt64 = 0,
        policy: SlotPolicy = .separate
    ) {
        self.memory = memory
        self.mode = mode
        self.vcpus = vcpus
        self.interruptController = interruptController
        self.extraSlots = extraSlots
        self.spareMemory = spareMemory
        self.policy = policy
    }

    /// Adds the functions of a layout. Takes over the layout's places of apertures and its buses unless these have been chosen.
    public mutating func add(_ layout: Layout) {
        for function in layout.functions { functions[function.address] = DescribedFunction(function.description) }
        board = board.filled(from: layout.choices)
        fixedAddresses.merge(layout.fixed) { $1 }
    }

    /// Adds a foreign backing. Functions and mappings may show any part of it.
    ///
    /// - Returns: The beginning of the backing.
    public mutating func add(_ backing: ForeignBacking) -> Backing {
        backings.append(backing)
        return Backing(id: BackingStore.machine + backings.count, offset: 0)
    }

    /// Adds an eventfd that a device has for writes to it. Returns its number.
    mutating func add(_ event: SharedDescriptor) -> Int {
        givenEvents.append(event)
        return givenEvents.count - 1
    }

    /// Removes the functions, with the memory and the eventfds that they brought.
    mutating func removeParts() { (functions, backings, givenEvents) = ([:], [], []) }

    /// The address at which flat images are loaded, unless told otherwise.
    public static let defaultLoadAddress = GuestAddress(BootMemory.flatImage)
}

/// Memory beside the RAM. Each of its pages begins with its guest address as a 64-bit number.
public struct ExtraSlot: Hashable, Sendable {
    /// The addresses of the memory.
    public var range: GuestRange
    /// What the guest may do with the memory.
    public var access: Access

    /// Creates memory beside the RAM.
    public init(range: GuestRange, access: Access) {
        self.range = range
        self.access = access
    }
}

/// A user's own device and its place.
public struct AttachedDevice: Sendable {
    /// The device.
    public var device: any Device
    /// The first port or the first guest-physical address.
    public var first: UInt64
    /// The number of ports or of bytes.
    public var size: UInt64

    /// Creates a device with its place.
    public init(_ device: any Device, at first: UInt64, size: UInt64) {
        self.device = device
        self.first = first
        self.size = size
    }
}

extension MachineConfiguration {
    /// Throws the first reason why there can be no such machine. This asks KVM nothing.
    func validate() throws(MachineError) {
        guard memory > 0, memory % Page.size == 0 else { throw .configuration(.memory(memory)) }
        guard vcpus > 0 else { throw .configuration(.vcpus(vcpus)) }
        guard vcpus == 1 || interruptController == .kernel else {
            throw .configuration(.vcpusWithoutInterruptController(vcpus))
        }
        guard !hasTimer || interruptController == .kernel else {
            throw .configuration(.timerWithoutInterruptController)
        }
    }

    /// Returns the leaves of CPUID that all vCPUs have in common.
    func cpuid(of system: borrowing KVMSystem) throws(MachineError) -> [CPUIDEntry] {
        let hasDeadlineTimer = try kvm(try system.capability(.deadlineTimer)) > 0
        var leaves = try kvm(try system.supportedCPUID()).forMachine(
            hasAPIC: interruptController == .kernel, hasDeadlineTimer: hasDeadlineTimer)
        for (feature, isOn) in features { leaves.set(feature, isOn) }
        return leaves
    }

    /// Throws the first reason why the host's KVM or its processors do not allow such a machine.
    func validate(on system: borrowing KVMSystem, physicalAddressBits bits: Int) throws(MachineError) {
        let most = try kvm(try system.capability(.maximumVCPUs))
        guard vcpus <= most else { throw .configuration(.tooManyVCPUs(vcpus, most: most)) }
        guard bits >= 64 || RAMLayout(memory: memory).end <= 1 << UInt64(bits) else {
            throw .configuration(.memoryBeyond(memory, addressBits: bits))
        }
        for slot in extraSlots where slot.range.last.rawValue >> UInt64(bits) != 0 {
            throw .configuration(.extraSlotBeyond(slot.range, addressBits: bits))
        }
    }
}
