public import Board
internal import Host
public import Layouts
public import Machine
public import Memslots
public import PCI

/// Runs the built-in PCI guest on a machine with a layout's functions. The guest finds, sizes, places and exercises all of them.
public enum PCIRun {
    /// The phases of the guest, by the numbers with which it marks them.
    private enum Phase {
        static let sizing: UInt8 = 2
        static let placement: UInt8 = 3
        static let exercise: UInt8 = 4
    }

    /// Makes the machine, runs the guest, and compares what the guest and the monitor found.
    ///
    /// - Returns: The result, and the memory of the guest at boot.
    public static func run(
        _ layout: Layout, choices: AddressMap.Choices = AddressMap.Choices(), policy: SlotPolicy,
        decode: DecodePolicy, vcpus: Int, mayExhaustHost: Bool,
        timeout: Duration? = nil, beforeRun: () throws(MachineError) -> Void = {}
    ) throws(MachineError) -> (result: LayoutResult, memory: MemoryDescription) {
        guard let builtIn = BuiltInGuest.named("pci") else { preconditionFailure("the PCI guest is built in") }
        var configuration = builtIn.configuration
        configuration.board = choices
        configuration.add(layout)
        configuration.policy = policy
        configuration.decode = decode
        configuration.vcpus = vcpus
        configuration.mayExhaustHost = mayExhaustHost
        let output = Output()
        let memoryBefore = try KernelBytes.used()
        let start = SuspendingClock.now
        let machine = try GuestMachine(
            configuration, flat: builtIn.image, catchesSignals: true, consoleOutput: output.append)
        let buildTime = SuspendingClock.now - start
        let (table, memory) = (machine.slots, machine.memory)
        let kernelBytes = try KernelBytes(
            predicted: Footprint.kernelBytes(of: table, mmu: .ofHost), since: memoryBefore)

        try beforeRun()
        let report = try machine.run(timeout: timeout)
        let marks = Dictionary(report.phases.map { ($0.phase, $0.edits) }, uniquingKeysWith: { first, _ in first })
        func edits(from first: UInt8, to last: UInt8) -> EditCounts {
            guard let first = marks[first], let last = marks[last] else { return EditCounts() }
            return last - first
        }
        let (hasExited, guest) = (report.outcome == .exited(0), figures(in: output.text))
        let mismatches = hasExited ? machine.countWrongPages() : 0
        let result = LayoutResult(
            layout: layout.name, policy: policy, functions: layout.functions.count,
            pieces: [.mapped: memory.rows.count { $0.mapping.owner != .ram }, .trapped: memory.trapped.count],
            slots: LayoutResult.Slots(memory.rows, limit: table.limit),
            edits: LayoutResult.Edits(
                build: table.edits, sizing: edits(from: Phase.sizing, to: Phase.placement),
                placement: edits(from: Phase.placement, to: Phase.exercise)),
            seconds: LayoutResult.Seconds(
                build: buildTime.inSeconds, slots: machine.mappingTime.inSeconds, guest: report.duration.inSeconds),
            kernelBytes: kernelBytes, guest: guest, hostMismatches: mismatches, outcome: report.outcome.name,
            exitCode: report.outcome.exitCode,
            ok: hasExited && finds(layout, guest) && mismatches == 0, ending: report.ending())
        return (result, memory)
    }

    /// Reads the figures from what the guest printed: lines of a name and a number. A figure without a line is 0.
    private static func figures(in text: String) -> [String: Int] {
        let words = text.split(separator: "\n").map { $0.split(separator: " ") }
        let names = ["functions", "bars", "bytesChecked", "mismatches", "interrupts"]
        let numbers = names.map { name in words.last { $0.count == 2 && $0[0] == name }.flatMap { Int($0[1]) } ?? 0 }
        return Dictionary(uniqueKeysWithValues: zip(names, numbers))
    }

    /// Whether the guest has found the whole layout and nothing wrong.
    private static func finds(_ layout: Layout, _ guest: [String: Int]) -> Bool {
        let interrupts = layout.functions.count { $0.description.msix != nil && $0.description.doorbell != nil }
        return guest["functions"] == layout.functions.count && guest["mismatches"] == 0
            && guest["interrupts"] == interrupts
    }

    private final class Output: Sendable {
        private let bytes = Lock<[UInt8]>([])

        @Sendable func append(_ more: [UInt8], isCancelled: () -> Bool) {
            bytes.withLock { $0 += more }
        }

        var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }
    }
}

extension GuestMachine {
    /// Counts the pages of mapped BARs that do not hold the guest's pattern, which `guests/README.md` describes. The monitor
    /// reads them through its own mapping, where the BARs are now.
    fileprivate func countWrongPages() -> Int {
        var wrong = 0
        for region in memory.decoded where region.kind == .mapped && region.access == .readWrite {
            guard case .bar(let number) = region.owner.register else { continue }
            let pages = region.range.pages
            for page in [0, (pages - 1) / 2, pages - 1] {
                let address = region.range.first.rawValue + page << Page.shift
                let pattern = address &+ UInt64(number) &+ UInt64(region.owner.function.requesterID) << 48
                if read(count: 8, at: GuestAddress(address)) != littleEndian(pattern) { wrong += 1 }
            }
        }
        return wrong
    }
}

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
