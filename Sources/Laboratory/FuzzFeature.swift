internal import KVM
internal import Machine

/// What newer kernels have. Machines of the fuzzer use what their KVM offers.
public enum FuzzFeature: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
    /// Half of the requests are made by `KVM_SET_USER_MEMORY_REGION2`.
    case region2
    /// Slots have memory behind them that only the guest reaches (guest_memfd).
    case guestMemory
    /// Written pages are noted in a ring of each vCPU and not in a bitmap of each slot.
    case dirtyRing
    /// When a slot goes, KVM forgets the translations of that slot and not all of them.
    case slotZap

    /// What the machine of this number uses, where KVM has it.
    static func wanted(by number: UInt64) -> Set<FuzzFeature> {
        var features: Set<FuzzFeature> = [.region2, .guestMemory]
        if number & 1 != 0 { features.insert(.dirtyRing) }
        if number & 2 != 0 { features.insert(.slotZap) }
        return features
    }

    /// Switches the feature on in a machine without vCPUs. Returns whether its KVM has it.
    func isEnabled(in vm: borrowing VirtualMachine) throws(KVMError) -> Bool {
        switch self {
        case .region2: return try vm.capability(.userMemory2) > 0
        case .guestMemory: return try vm.capability(.guestMemory) > 0
        case .dirtyRing:
            let size = 1 << 16
            guard try vm.capability(.dirtyRing) >= size else { return false }
            try vm.enable(.dirtyRing, size)
        case .slotZap:
            guard try vm.capability(.quirks) & Capability.zapAllQuirk != 0 else { return false }
            try vm.enable(.quirks, Capability.zapAllQuirk)
        }
        return true
    }

    /// The feature in words.
    public var words: String {
        switch self {
        case .region2: "KVM_SET_USER_MEMORY_REGION2"
        case .guestMemory: "guest_memfd"
        case .dirtyRing: "dirty ring"
        case .slotZap: "zap of a slot alone"
        }
    }
}

/// The files of guest memory that requests of the fuzzer name.
struct GuestMemoryFiles: Sendable {
    private let own: GuestMemoryFile
    private let foreign: GuestMemoryFile

    /// Makes the memory of a machine, and that of another machine.
    init(for vm: borrowing VirtualMachine, system: borrowing KVMSystem) throws(KVMError) {
        own = try GuestMemoryFile(for: vm, size: FuzzMemory.guestSize)
        foreign = try GuestMemoryFile(for: try system.makeVirtualMachine(), size: FuzzMemory.guestSize)
    }

    subscript(file: GuestMemoryPlace.File) -> GuestMemoryFile? {
        switch file {
        case .own: own
        case .foreign: foreign
        case .closed: nil
        }
    }
}
