public import Board
public import Devices
public import Images
internal import KVM
public import Layouts
public import Memslots
public import PCI

/// Which interrupt controllers a machine has.
public enum InterruptController: String, CaseIterable, Sendable {
    /// None: HLT ends the run.
    case none
    /// PICs, IOAPIC and local APICs in the kernel: HLT waits for an interrupt.
    case kernel
}

/// What a machine is made of, before anything is made.
public struct MachineConfiguration: Sendable {
    /// Bytes of RAM.
    public var memory: UInt64
    /// The mode in which the first vCPU starts.
    public var mode: CPUMode
    public var vcpus: Int
    public var interruptController: InterruptController
    /// Whether there is the timer of a PC (an 8254, on interrupt line 0). It costs 15 ms at the end of a run.
    public var hasTimer = false
    /// What a multiboot kernel is given.
    public var boot = BootArguments()
    /// Memory beside the RAM.
    public var extraSlots: [ExtraSlot]
    /// Where apertures lie, and how many PCI buses there are, unless at the usual place.
    public var board = AddressMap.Choices()
    /// PCI functions: what stands behind each.
    public var functions: [FunctionAddress: any FunctionModel] = [:]
    /// Devices of one's own at I/O ports, and in memory where nothing is mapped.
    public var portDevices: [AttachedDevice] = []
    public var memoryDevices: [AttachedDevice] = []
    /// Host memory that somebody else holds too, see `add`.
    public private(set) var backings: [ForeignBacking] = []
    /// What becomes of the run when a change of what a function decodes is refused.
    public var onRefusal = RefusalPolicy.continue
    /// Whether they have addresses in the apertures and decode on at boot, as after firmware; else they are as after
    /// reset, and the guest assigns them.
    public var assignsAddresses = true
    /// What becomes of a function's memory while its decode is off.
    public var decode = DecodePolicy.strict
    /// Bytes of host memory that can be allocated and mapped while the machine is there.
    public var spareMemory: UInt64
    public var policy: SlotPolicy
    /// Whether the kernel's own memory for the slots may take more than half of what the host has available.
    public var mayExhaustHost = false

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

    /// Takes over a layout: its functions, and where it wants the apertures unless that has been chosen.
    public mutating func add(_ layout: Layout) {
        for function in layout.functions { functions[function.address] = DescribedFunction(function.description) }
        board = board.filled(from: layout.choices)
    }

    /// Adds host memory that somebody else holds too; functions and mappings may show any part of it.
    ///
    /// - Returns: the backing's beginning.
    public mutating func add(_ backing: ForeignBacking) -> Backing {
        backings.append(backing)
        return Backing(id: BackingStore.machine + backings.count, offset: 0)
    }

    /// Where flat images are loaded unless told otherwise.
    public static let defaultLoadAddress = GuestAddress(BootMemory.flatImage)
}

/// A piece of memory beside the RAM; each of its pages begins with its guest address as a 64-bit number.
public struct ExtraSlot: Hashable, Sendable {
    public var range: GuestRange
    public var access: Access

    public init(range: GuestRange, access: Access) {
        self.range = range
        self.access = access
    }
}

/// A device of one's own and its place.
public struct AttachedDevice: Sendable {
    public var device: any Device
    /// The first port, or the first guest-physical address.
    public var first: UInt64
    /// The number of ports, or of bytes.
    public var size: UInt64

    public init(_ device: any Device, at first: UInt64, size: UInt64) {
        self.device = device
        self.first = first
        self.size = size
    }
}

extension MachineConfiguration {
    /// Checks what can be told without asking KVM.
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

    /// Checks what the host's KVM and processors allow.
    func validate(on system: borrowing KVMSystem, physicalAddressBits bits: Int) throws(MachineError) {
        let most = system.capability(.maximumVCPUs)
        guard vcpus <= most else { throw .configuration(.tooManyVCPUs(vcpus, most: most)) }
        guard bits >= 64 || RAMLayout(memory: memory).end <= 1 << UInt64(bits) else {
            throw .configuration(.memoryBeyond(memory, addressBits: bits))
        }
        for slot in extraSlots where slot.range.last.rawValue >> UInt64(bits) != 0 {
            throw .configuration(.extraSlotBeyond(slot.range, addressBits: bits))
        }
    }
}
