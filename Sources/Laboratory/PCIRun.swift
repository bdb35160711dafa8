internal import Host
internal import Images
public import Layouts
public import Machine
public import Memslots
public import PCI
internal import Synchronization

/// A run of the built-in PCI guest on a machine with functions: it finds, sizes, places and exercises all of them.
public struct PCIRun: Sendable {
    public struct SlotCounts: Encodable, Sendable {
        public let ram: Int
        public let bars: Int
        public let roms: Int
        public let total: Int
        public let limit: Int
    }

    /// What the guest says of its work, by the names that it prints.
    public struct GuestWord: Encodable, Sendable {
        public let functions: Int
        public let bars: Int
        public let bytesChecked: Int
        public let mismatches: Int
        public let interrupts: Int

        /// Of a guest that has said nothing.
        public static let none = GuestWord(functions: 0, bars: 0, bytesChecked: 0, mismatches: 0, interrupts: 0)
    }

    /// At boot.
    public let memory: MemoryDescription
    public let slots: SlotCounts
    /// Edits until the guest began, in its sizing phase, and in its placement phase.
    public let buildEdits: EditCounts
    public let sizingEdits: EditCounts
    public let placementEdits: EditCounts
    /// Making the machine; the transaction with all slots in it; the guest.
    public let buildTime: Duration
    public let slotTime: Duration
    public let guestTime: Duration
    /// Bytes that the slots take in the kernel, as predicted for the MMU that this KVM uses, and as VmallocUsed grew.
    public let predictedKernelBytes: UInt64
    public let measuredKernelBytes: UInt64
    public let outcome: Outcome
    public let guest: GuestWord?
    /// Pages in which the monitor did not find what the guest should have written.
    public let hostMismatches: Int
    public let vcpus: [VCPUState]

    /// The phases that the guest marks.
    private enum Phase {
        static let sizing: UInt8 = 2
        static let placement: UInt8 = 3
        static let exercise: UInt8 = 4
    }

    /// Makes the machine, runs the guest, and asks both what they saw.
    public init(
        _ functions: [FunctionAddress: FunctionDescription], policy: SlotPolicy, decode: DecodePolicy, vcpus: Int,
        mayExhaustHost: Bool, timeout: Duration? = nil
    ) throws(MachineError) {
        guard let builtIn = BuiltInGuest.named("pci") else { preconditionFailure("the PCI guest is built in") }
        var configuration = builtIn.configuration
        configuration.functions = functions
        configuration.policy = policy
        configuration.decode = decode
        configuration.vcpus = vcpus
        configuration.mayExhaustHost = mayExhaustHost
        let output = Output()
        let memoryBefore = try Self.vmallocUsed()
        let start = SuspendingClock.now
        let machine = try GuestMachine(
            configuration, flat: builtIn.image, catchesSignals: true, consoleOutput: output.append)
        buildTime = SuspendingClock.now - start
        slotTime = machine.mappingTime
        let memoryAfter = try Self.vmallocUsed()
        measuredKernelBytes = memoryAfter - min(memoryBefore, memoryAfter)

        let table = machine.slots
        memory = machine.memory
        slots = SlotCounts(memory.rows, limit: table.limit)
        predictedKernelBytes = Footprint.kernelBytes(of: table, mmu: .ofHost)
        buildEdits = table.edits

        let report = try machine.run(timeout: timeout)
        outcome = report.outcome
        guestTime = report.duration
        self.vcpus = report.vcpus
        let marks = Dictionary(report.phases.map { ($0.phase, $0.edits) }, uniquingKeysWith: { first, _ in first })
        sizingEdits = Self.edits(from: marks[Phase.sizing], to: marks[Phase.placement])
        placementEdits = Self.edits(from: marks[Phase.placement], to: marks[Phase.exercise])
        guest = GuestWord(output.text)
        hostMismatches = outcome == .exited(0) ? machine.countWrongPages() : 0
    }

    /// Whether the guest found every function, and all it wrote was there.
    public func isOK(functions: Int, interrupts: Int) -> Bool {
        guard outcome == .exited(0), let guest else { return false }
        return guest.functions == functions && guest.mismatches == 0 && guest.interrupts == interrupts
            && hostMismatches == 0
    }

    private static func edits(from first: EditCounts?, to last: EditCounts?) -> EditCounts {
        guard let first, let last else { return EditCounts() }
        return last - first
    }

    private static func vmallocUsed() throws(MachineError) -> UInt64 {
        try host(try KernelFigures.ofHost()).bytes("VmallocUsed") ?? 0
    }

    private final class Output: Sendable {
        private let bytes = Mutex<[UInt8]>([])

        @Sendable func append(_ more: [UInt8], isCancelled: () -> Bool) {
            bytes.withLock { $0 += more }
        }

        var text: String {
            String(decoding: bytes.withLock { $0 }, as: UTF8.self)
        }
    }
}

extension PCIRun.GuestWord {
    /// Reads lines of a name and a number; nil where one that is needed is missing.
    init?(_ text: String) {
        var numbers: [Substring: Int] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, let number = Int(words[1]) {
                numbers[words[0]] = number
            }
        }
        guard
            let functions = numbers["functions"], let bars = numbers["bars"], let bytes = numbers["bytesChecked"],
            let mismatches = numbers["mismatches"], let interrupts = numbers["interrupts"]
        else { return nil }
        self.init(
            functions: functions, bars: bars, bytesChecked: bytes, mismatches: mismatches, interrupts: interrupts)
    }
}

extension PCIRun.SlotCounts {
    /// A slot that mappings share counts once, as that of its first mapping.
    fileprivate init(_ rows: [MemoryDescription.Row], limit: Int) {
        var seen = Set<Int>()
        var (ram, bars, roms) = (0, 0, 0)
        for row in rows where seen.insert(row.slot).inserted {
            switch row.mapping.owner {
            case .ram: ram += 1
            case .rom: roms += 1
            case .bar, .extra, .other: bars += 1
            }
        }
        self.init(ram: ram, bars: bars, roms: roms, total: seen.count, limit: limit)
    }
}

extension GuestMachine {
    /// Looks at the pages of mapped BARs that the guest has written, where the BARs are now, through the monitor's own
    /// mapping. `guests/README.md` has the pattern.
    fileprivate func countWrongPages() -> Int {
        var wrong = 0
        for region in memory.decoded where region.kind == .mapped && region.access == .readWrite {
            guard case .bar(let number) = region.owner.register else { continue }
            let pages = region.range.pages
            for page in [0, (pages - 1) / 2, pages - 1] {
                let address = region.range.first.rawValue + page << Page.shift
                let pattern = address &+ UInt64(number) &+ UInt64(region.owner.function.requesterID) << 48
                let bytes = (0..<8).map { UInt8(truncatingIfNeeded: pattern >> (8 * $0)) }
                if read(count: 8, at: GuestAddress(address)) != bytes { wrong += 1 }
            }
        }
        return wrong
    }
}
