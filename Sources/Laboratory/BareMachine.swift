internal import Board
internal import Images
internal import KVM
public import Machine
public import Memslots
internal import SystemPackage

/// A virtual machine with slots, host memory behind them, and possibly a vCPU that reads guest memory.
///
/// It has only the last of the layers that a `GuestMachine` has: a `SlotInstaller`, which asks KVM for changes of slots. It has
/// neither mappings nor a table of slots. Its user makes raw requests for slots, and keeps the table.
public struct BareMachine: ~Copyable {
    /// The installer that asks KVM for slots. It parks no vCPU, because the vCPU runs only during `readWord`.
    package var installer: KVMSlotInstaller
    private let owned: OwnedVM
    private let reader: Reader?
    private let guestMemory: GuestMemoryFiles?
    /// The features of newer kernels that the machine uses.
    let features: Set<FuzzFeature>
    private var registers = GeneralRegisters()
    /// Whether the reader finds a device at the page of the local APIC even where a slot covers the page. It is false until
    /// `forFuzzing` has tried.
    var apicPageIsDevice = false
    /// The slot ids and addresses that KVM offers. All ids of user slots are free. The code of the reader lies in a private
    /// slot.
    public let limits: SlotLimits
    /// The number of the first address space that this KVM does not have: 1, or 2 if it has one for system management mode.
    public let missingAddressSpace: UInt32
    /// The slot that holds the reader's code. The user enters it in the table. Nil if the machine has no reader.
    public let codeSlot: SlotRequest?

    /// Makes a machine that has no user slots.
    ///
    /// - Parameters:
    ///   - memory: The size of the host memory behind the slots, in bytes.
    ///   - hasReader: Whether the machine has a vCPU that reads guest memory. The code of the vCPU takes one of KVM's slot ids.
    ///   - hasWindows: Whether a window mirrors the low aperture, so that neighbours can share slots.
    ///   - wanted: The features that the machine uses if KVM has them.
    public init(
        memory: UInt64, hasReader: Bool = false, hasWindows: Bool = false, features wanted: Set<FuzzFeature> = []
    ) throws(MachineError) {
        let system = try reachable(try KVMSystem())
        let highest = try HostProbe.highestGuestAddress(of: system)
        let owned = OwnedVM(try kvm(try system.makeVirtualMachine()))
        var features: Set<FuzzFeature> = []
        for feature in wanted where try kvm(try feature.enable(in: owned.vm)) { features.insert(feature) }
        let guestMemory =
            features.contains(.guestMemory) ? try kvm(try GuestMemoryFiles(for: owned.vm, system: system)) : nil
        let store = try host(try BackingStore(ram: memory + (hasReader ? Page.size : 0), isShared: true))
        let address = store.hostAddresses[BackingStore.ram]
        let ids = min(try kvm(try owned.vm.capability(.memslots)), 1 << 15)
        let missingAddressSpace = UInt32(max(1, try kvm(try owned.vm.capability(.multipleAddressSpaces))))
        let limits = SlotLimits(
            userSlots: ids - (hasReader ? 1 : 0), privateSlots: hasReader ? 1 : 0,
            highestGuestAddress: GuestAddress(highest))
        var reader: Reader?
        var codeSlot: SlotRequest?
        if hasReader {
            _ = store.write(Self.code.span, at: Backing(offset: memory))
            codeSlot = SlotRequest(
                slot: UInt32(limits.userSlots), guestAddress: Self.codeAddress.rawValue, size: Page.size,
                hostAddress: address + memory)
            reader = Reader(try Self.makeVirtualCPU(of: owned.vm))
        }
        let windows = try host(try HostWindows(hasWindows ? [AddressMap.standard.apertures.low] : []))
        let installer = KVMSlotInstaller(vm: owned, store: store, windows: windows)
        if let codeSlot {
            do { try installer.set(codeSlot) } catch {
                throw .kvmRequest("KVM_SET_USER_MEMORY_REGION", "a page at \(Self.codeAddress)", errno: error.rawValue)
            }
        }
        self.owned = owned
        self.features = features
        self.guestMemory = guestMemory
        self.reader = reader
        self.limits = limits
        self.missingAddressSpace = missingAddressSpace
        self.codeSlot = codeSlot
        self.installer = installer
    }

    /// The addresses of the host memory, which is backing 0, and of the windows.
    public var placement: Placement {
        Placement(backings: installer.store.hostAddresses, windows: installer.windows.windows)
    }

    /// Asks KVM for a slot by KVM_SET_USER_MEMORY_REGION2, with a place in a guest_memfd behind it.
    func set(_ request: SlotRequest, _ place: GuestMemfdPlace) throws(SlotErrno) {
        let errno = owned.vm.setMemoryRegion2(
            slot: request.slot, flags: request.flags, guestAddress: request.guestAddress, size: request.size,
            hostAddress: request.hostAddress, memory: guestMemory?[place.file], offset: place.offset)
        guard errno == 0 else { throw SlotErrno(rawValue: errno) }
    }

    /// Copies bytes into the host memory at `offset`. All of the bytes must lie within the memory.
    public func write(_ bytes: [UInt8], at offset: UInt64) {
        _ = installer.store.write(bytes.span, at: Backing(offset: offset))
    }
}

// MARK: - Reading

extension BareMachine {
    /// What the guest finds at an address.
    public enum ReadResult: Hashable, Sendable {
        /// Memory, with this word at the address.
        case word(UInt32)
        /// An address without a slot: the access exits to the monitor.
        case hole
        /// A slot whose host memory cannot be reached (`KVM_RUN` gives EFAULT).
        case fault
    }

    /// The last page below 4 GiB, where the code of the reader lies. No other slot may cover it.
    public static let codeAddress = AddressMap.resetPage

    // mov eax, [ebx]; out 0xe9, eax
    private static let code: [UInt8] = [0x8b, 0x03, 0xe7, 0xe9]

    /// Lets the guest read the 32-bit word at an address below 4 GiB. The machine must have been made with a reader.
    public mutating func readWord(at address: GuestAddress) throws(MachineError) -> ReadResult {
        guard let reader else { preconditionFailure("the machine was made without a reader") }
        registers.rbx = address.rawValue
        registers.rip = Self.codeAddress.rawValue
        try kvm(try reader.cpu.setGeneralRegisters(registers))
        var isHole = false
        while true {
            switch reader.cpu.runUntilExit() {
            case .port(let access) where access.isOutput:
                return isHole ? .hole : .word(reader.cpu.portUnit(at: 0))
            case .memory(let access) where !access.isWrite && access.address == address.rawValue:
                isHole = true
                reader.cpu.setMemoryValue(.max)
            case .interrupted: continue
            case .failure(SlotErrno.badAddress.rawValue): return .fault
            case .failure(let errno): throw .kvmRequest("KVM_RUN", errno: errno)
            case let exit:
                throw .experiment("the guest that reads \(address) came back with: \(exit)")
            }
        }
    }

    /// A box for the vCPU. An optional property of a noncopyable type could not be borrowed.
    private final class Reader: Sendable {
        let cpu: VirtualCPU

        init(_ cpu: consuming VirtualCPU) { self.cpu = cpu }
    }

    /// Makes a vCPU in protected mode with flat segments and without paging.
    private static func makeVirtualCPU(of vm: borrowing VirtualMachine) throws(MachineError) -> VirtualCPU {
        let cpu = try kvm(try vm.makeVirtualCPU(id: 0))
        let start = try StartState(
            mode: .protected, entry: codeAddress, ram: RAMLayout(memory: 0), vcpus: 1, hasGigabytePages: false)
        var system = try kvm(try cpu.systemRegisters())
        start.apply(to: &system)
        try kvm(try cpu.setSystemRegisters(system))
        return cpu
    }
}

extension BareMachine.ReadResult: CustomStringConvertible {
    public var description: String {
        switch self {
        case .word(let word): "memory that holds \(hexadecimal(UInt64(word)))"
        case .hole: "no memory"
        case .fault: "memory that the host cannot reach"
        }
    }
}

extension MachineError {
    /// The error that KVM refuses a request.
    static func kvmRequest(_ request: String, _ subject: String = "", errno: Int32) -> MachineError {
        .kvm(KVMError(request: request, subject: subject, errno: Errno(rawValue: errno)))
    }
}
