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
    /// PCI functions; they get addresses in the apertures, and their decode is on at boot.
    public var functions: [FunctionAddress: FunctionDescription] = [:]
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
    public static let defaultLoadAddress = GuestAddress(0x10000)
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

/// Where RAM lies in guest-physical memory: from 0 up to 3 GiB, and what is left from 4 GiB on. The hole between belongs to
/// devices.
public struct RAMLayout: Hashable, Sendable {
    public static let hole = GuestRange(unchecked: 3 << 30, (4 << 30) - 1)

    /// Bytes below the hole.
    public let low: UInt64
    /// Bytes from 4 GiB on.
    public let high: UInt64

    public init(memory: UInt64) {
        low = min(memory, Self.hole.first.rawValue)
        high = memory - low
    }

    /// The address behind all RAM, saturating.
    public var end: UInt64 {
        guard high > 0 else { return low }
        let (end, overflow) = UInt64(4 << 30).addingReportingOverflow(high)
        return overflow ? .max : end
    }

    /// The mappings that hold the RAM, from `offset` of the first backing on; more than two only where one would have
    /// more pages than a slot can.
    func mappings(offset: UInt64) -> [Mapping] {
        var mappings: [Mapping] = []
        var offset = offset
        for (start, size) in [(0, low), (4 << 30, high)] as [(UInt64, UInt64)] {
            var done: UInt64 = 0
            while done < size {
                let piece = min(size - done, 4 << 40)
                guard let range = GuestRange(first: GuestAddress(start + done), size: piece) else { break }
                mappings.append(Mapping(range: range, backing: Backing(offset: offset), owner: "RAM"))
                done += piece
                offset += piece
            }
        }
        return mappings
    }
}

extension GuestRange {
    fileprivate init(unchecked first: UInt64, _ last: UInt64) {
        guard let range = GuestRange(first: GuestAddress(first), last: GuestAddress(last)) else {
            preconditionFailure("\(first) is above \(last)")
        }
        self = range
    }
}
