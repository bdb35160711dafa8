internal import Layouts
public import Memslots
public import PCI

/// The result of a `PCIRun`.
public struct LayoutResult: Codable, Sendable {
    public struct Slots: Codable, Sendable {
        public let ram: Int
        public let bars: Int
        public let roms: Int
        public let total: Int
        public let limit: Int
    }

    /// Edits until the guest began, in its sizing phase, and in its placement phase.
    public struct Edits: Codable, Sendable {
        public let build: EditCounts
        public let sizing: EditCounts
        public let placement: EditCounts
    }

    /// The time to make the machine, the part of it for the transaction with all slots, and the time of the guest.
    public struct Seconds: Codable, Sendable {
        public let build: Double
        public let slots: Double
        public let guest: Double
    }

    public private(set) var schema = 1
    public let layout: String
    public let policy: SlotPolicy
    public let functions: Int
    public let pieces: [BARPiece.Kind: Int]
    public let slots: Slots
    public let edits: Edits
    public let seconds: Seconds
    public let kernelBytes: KernelBytes
    /// The figures that the guest prints about its work, by name. A figure that it has not printed is 0.
    public let guest: [String: Int]
    /// The number of pages in which the monitor did not find the guest's pattern.
    public let hostMismatches: Int
    /// The name of the way in which the guest ended, and the exit status of `swiftlet run` for it.
    public let outcome: String
    public let exitCode: Int32
    /// Whether the guest found every function, and the monitor found everything that the guest wrote.
    public let ok: Bool
    /// The outcome in words, and the state of the vCPUs where the guest did not end by itself.
    public let ending: String
}

extension LayoutResult {
    /// Whether the guest ended by its own will.
    public var isOrderly: Bool { ["exited", "halted"].contains(outcome) }
}

extension LayoutResult.Slots {
    /// Counts slots by their owners. A slot that mappings share counts once, as that of its first mapping.
    init(_ rows: [MemoryDescription.Row], limit: Int) {
        var seen = Set<Int>()
        let owners = rows.filter { seen.insert($0.slot).inserted }.map(\.mapping.owner)
        ram = owners.count { $0 == .ram }
        roms = owners.count { if case .rom = $0 { true } else { false } }
        bars = owners.count - ram - roms
        total = owners.count
        self.limit = limit
    }
}
