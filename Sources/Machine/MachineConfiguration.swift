public import Board
public import Images
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
    /// PCI functions.
    public var functions: [FunctionAddress: FunctionDescription] = [:]
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

extension MachineConfiguration {
    /// Checks what can be told without asking KVM.
    func validate() throws(MachineError) {
        guard memory > 0 else {
            throw .configuration("a memory of 0 bytes: a guest needs at least one page, 4K")
        }
        guard memory % Page.size == 0 else {
            throw .configuration("a memory of \(memory) bytes: it must be a multiple of the page size, 4096")
        }
        guard vcpus > 0 else {
            throw .configuration("\(vcpus) vCPUs: a machine needs at least one")
        }
        guard vcpus == 1 || interruptController == .kernel else {
            throw .configuration(
                "\(vcpus) vCPUs without an interrupt controller: the others could not be started, so add --irqchip kernel"
            )
        }
        guard !hasTimer || interruptController == .kernel else {
            throw .configuration("a timer without an interrupt controller: add --irqchip kernel, or leave out --pit")
        }
    }
}
