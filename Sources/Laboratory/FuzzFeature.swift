internal import KVM

/// A feature of KVM that only newer kernels have. The fuzzer's machines use it if KVM offers it.
public enum FuzzFeature: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
    /// Half of the requests use `KVM_SET_USER_MEMORY_REGION2`.
    case region2
    /// Some slots have memory behind them that only the guest reaches (guest_memfd).
    case guestMemory
    /// KVM notes written pages in a ring for each vCPU instead of in a bitmap for each slot.
    case dirtyRing
    /// When a slot is deleted, KVM forgets the translations of that slot alone, not of all slots.
    case slotZap

    /// Returns the features that the fuzzer's machine with this number should use if KVM has them.
    static func wanted(by number: UInt64) -> Set<FuzzFeature> {
        var features: Set<FuzzFeature> = [.region2, .guestMemory]
        if number & 1 != 0 { features.insert(.dirtyRing) }
        if number & 2 != 0 { features.insert(.slotZap) }
        return features
    }

    /// Switches the feature on in a machine that has no vCPUs yet.
    ///
    /// - Returns: Whether KVM has the feature.
    func enable(in vm: borrowing VirtualMachine) throws(KVMError) -> Bool {
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

/// The guest_memfd files that the fuzzer's requests can name.
struct GuestMemoryFiles: Sendable {
    private let own: GuestMemoryFile
    private let foreign: GuestMemoryFile

    /// Makes a guest_memfd of `vm`, and one of another virtual machine.
    init(for vm: borrowing VirtualMachine, system: borrowing KVMSystem) throws(KVMError) {
        own = try GuestMemoryFile(for: vm, size: FuzzMemory.guestSize)
        foreign = try GuestMemoryFile(for: try system.makeVirtualMachine(), size: FuzzMemory.guestSize)
    }

    subscript(file: GuestMemfdPlace.File) -> GuestMemoryFile? {
        switch file {
        case .own: own
        case .foreign: foreign
        case .closed: nil
        }
    }
}
