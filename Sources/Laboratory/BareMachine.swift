internal import Board
internal import Host
internal import Images
internal import KVM
public import Machine
public import Memslots

/// A virtual machine that is nothing but slots, host memory to put into them, and a vCPU to look through them.
///
/// It has no mappings: as a `SlotInstaller` it is the last step of the way that all changes take, by itself. Whoever has
/// it asks KVM for slots as raw as KVM takes them, and keeps the table.
public struct BareMachine: SlotInstaller, ~Copyable {
    private var installer: KVMSlotInstaller
    private let viewer: Viewer?
    private var registers = GeneralRegisters()
    /// Users' ids are free; where the machine `looks`, one private slot holds the vCPU's code.
    public let limits: SlotLimits
    /// The first address space that this KVM does not have: 1, or 2 where it has one for system management mode.
    public let missingAddressSpace: UInt32
    /// The slot that holds the vCPU's code, for whoever keeps the table; nil where the machine does not look.
    public let codeSlot: SlotRequest?

    /// A machine with `memory` bytes of host memory behind its slots; without `looks`, all of KVM's ids are users'.
    ///
    /// Where neighbours are to share slots, there are `windows` for the apertures of a machine with so little RAM.
    public init(memory: UInt64, looks: Bool = false, hasWindows: Bool = false) throws(MachineError) {
        let system = try reachable(try KVMSystem())
        let highest = try HostProbe.highestGuestAddress(of: system)
        let owned = OwnedVM(try kvm(try system.makeVirtualMachine()))
        let store = try host(try BackingStore(ram: memory + (looks ? Page.size : 0)))
        let address = store.hostAddresses[BackingStore.ram]
        let ids = min(owned.vm.capability(.memslots), 1 << 15)
        let missingAddressSpace = UInt32(max(1, owned.vm.capability(.multipleAddressSpaces)))
        let limits = SlotLimits(
            userSlots: ids - (looks ? 1 : 0), privateSlots: looks ? 1 : 0, highestGuestAddress: GuestAddress(highest))
        var viewer: Viewer?
        var codeSlot: SlotRequest?
        if looks {
            _ = store.write(Self.code.span, at: Backing(offset: memory))
            codeSlot = SlotRequest(
                slot: UInt32(limits.userSlots), guestAddress: Self.codeAddress.rawValue, size: Page.size,
                hostAddress: address + memory)
            viewer = Viewer(try Self.makeVirtualCPU(of: owned.vm))
        }
        let windows = try host(try HostWindows(hasWindows ? [AddressMap.standard.apertures.low] : []))
        let installer = KVMSlotInstaller(vm: owned, store: store, windows: windows)
        if let codeSlot {
            do { try installer.set(codeSlot) } catch {
                throw .experiment("KVM does not take a slot at \(Self.codeAddress): \(error)")
            }
        }
        self.viewer = viewer
        self.limits = limits
        self.missingAddressSpace = missingAddressSpace
        self.codeSlot = codeSlot
        self.installer = installer
    }

    /// Where backing 0 lies, and the windows.
    public var placement: Placement {
        Placement(backings: installer.store.hostAddresses, windows: installer.windows.windows)
    }

    /// Copies bytes into the host memory; `offset` counts from the start of backing 0, and all of it is within.
    public func write(_ bytes: [UInt8], at offset: UInt64) {
        _ = installer.store.write(bytes.span, at: Backing(offset: offset))
    }

    // MARK: SlotInstaller

    /// Nothing: the vCPU runs only while it looks.
    public func park() {}
    public func resume() {}

    public func set(_ request: SlotRequest) throws(SlotErrno) {
        try installer.set(request)
    }

    public func place(_ piece: WindowPiece) throws(SlotErrno) {
        try installer.place(piece)
    }

    public func clear(_ piece: WindowPiece) throws(SlotErrno) {
        try installer.clear(piece)
    }

    public func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64] {
        try installer.takeDirtyLog(of: slot)
    }
}

// MARK: - Looking

extension BareMachine {
    /// What the guest meets at an address.
    public enum Sight: Hashable, Sendable {
        /// Memory that holds this.
        case word(UInt32)
        /// No slot: the access exits to the monitor.
        case hole
        /// A slot whose host memory cannot be reached (`KVM_RUN` gives EFAULT).
        case fault
    }

    /// The last page below 4 GiB, where processors begin: no other slot may lie there while the machine looks.
    public static let codeAddress = AddressMap.resetPage

    // mov eax, [ebx]; out 0xe9, eax
    private static let code: [UInt8] = [0x8b, 0x03, 0xe7, 0xe9]

    /// Lets the guest read the 32-bit word at an address below 4 GiB; the machine `looks`.
    public mutating func look(at address: GuestAddress) throws(MachineError) -> Sight {
        guard let viewer else { preconditionFailure("the machine was not made to look") }
        registers.rbx = address.rawValue
        registers.rip = Self.codeAddress.rawValue
        try kvm(try viewer.cpu.setGeneralRegisters(registers))
        var isHole = false
        while true {
            switch viewer.cpu.runUntilExit() {
            case .port(let access) where access.isOutput:
                return isHole ? .hole : .word(viewer.cpu.portUnit(at: 0))
            case .memory(let access) where !access.isWrite && access.address == address.rawValue:
                isHole = true
                viewer.cpu.setMemoryValue(.max)
            case .interrupted: continue
            case .failure(SlotErrno.badAddress.rawValue): return .fault
            case let exit:
                throw .experiment("the guest that looks at \(address) came back with: \(exit)")
            }
        }
    }

    /// Keeps the vCPU, which cannot be copied, in an optional property.
    private final class Viewer: Sendable {
        let cpu: VirtualCPU

        init(_ cpu: consuming VirtualCPU) { self.cpu = cpu }
    }

    /// A vCPU in protected mode with flat segments and no paging.
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
