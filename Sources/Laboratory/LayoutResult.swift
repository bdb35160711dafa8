public import Layouts
public import Memslots
internal import PCI

/// What a run of the PCI guest found.
public struct LayoutResult: Codable, Equatable, Sendable {
    public struct Pieces: Codable, Equatable, Sendable {
        public let mapped: Int
        public let trapped: Int

        public init(mapped: Int, trapped: Int) {
            self.mapped = mapped
            self.trapped = trapped
        }
    }

    public struct Slots: Codable, Equatable, Sendable {
        public private(set) var ram = 0
        public private(set) var bars = 0
        public private(set) var roms = 0
        public private(set) var total = 0
        public let limit: Int
    }

    /// Edits until the guest began, in its sizing phase, and in its placement phase.
    public struct Edits: Codable, Equatable, Sendable {
        public let build: EditCounts
        public let sizing: EditCounts
        public let placement: EditCounts
    }

    /// Making the machine; the transaction with all slots in it; the guest.
    public struct Seconds: Codable, Equatable, Sendable {
        public let build: Double
        public let slots: Double
        public let guest: Double
    }

    /// What the guest says of its work, by the names that it prints.
    public struct Guest: Codable, Equatable, Sendable {
        public let functions: Int
        public let bars: Int
        public let bytesChecked: Int
        public let mismatches: Int
        public let interrupts: Int
    }

    public private(set) var schema = 1
    public let layout: String
    public let policy: SlotPolicy
    public let functions: Int
    public let pieces: Pieces
    public let slots: Slots
    public let edits: Edits
    public let seconds: Seconds
    public let kernelBytes: KernelBytes
    /// All 0 where the guest did not come to say anything.
    public let guest: Guest
    /// Pages in which the monitor did not find what the guest should have written.
    public let hostMismatches: Int
    /// How the guest ended: a name, and the exit status of `swiftlet run` for it.
    public let outcome: String
    public let exitCode: Int32
    /// Whether the guest found every function, and all it wrote was there.
    public let ok: Bool
    /// The outcome in words, and the state of the vCPUs where the guest did not end by itself.
    public let ending: String
    /// At boot.
    @Unencoded public var memory: MemoryDescription?
}

extension LayoutResult {
    /// Whether the guest ended by its own will.
    public var isOrderly: Bool { ["exited", "halted"].contains(outcome) }
}

extension LayoutResult.Guest {
    /// Of a guest that has said nothing.
    static let silent = Self(functions: 0, bars: 0, bytesChecked: 0, mismatches: 0, interrupts: 0)

    /// Reads lines of a name and a number; nil where one that is needed is missing.
    init?(_ text: String) {
        var numbers: [Substring: Int] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 { numbers[words[0]] = Int(words[1]) }
        }
        guard
            let functions = numbers["functions"], let bars = numbers["bars"], let bytes = numbers["bytesChecked"],
            let mismatches = numbers["mismatches"], let interrupts = numbers["interrupts"]
        else { return nil }
        self.init(
            functions: functions, bars: bars, bytesChecked: bytes, mismatches: mismatches, interrupts: interrupts)
    }

    /// Whether the guest has found all of a layout and nothing wrong.
    func isRight(about layout: Layout) -> Bool {
        functions == layout.functions.count && mismatches == 0
            && interrupts == layout.functions.count { $0.description.msix != nil && $0.description.doorbell != nil }
    }
}

extension LayoutResult.Slots {
    /// A slot that mappings share counts once, as that of its first mapping.
    init(_ rows: [MemoryDescription.Row], limit: Int) {
        self.limit = limit
        var seen = Set<Int>()
        for row in rows where seen.insert(row.slot).inserted {
            switch row.mapping.owner {
            case .ram: ram += 1
            case .rom: roms += 1
            case .bar, .extra, .other: bars += 1
            }
        }
        total = seen.count
    }
}
