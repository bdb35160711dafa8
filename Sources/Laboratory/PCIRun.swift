public import Board
internal import Host
public import Layouts
public import Machine
public import Memslots
public import PCI

/// Runs the built-in PCI guest on a machine with the functions of a layout. The guest finds, sizes, places and exercises all of
/// them.
public enum PCIRun {
    /// The phases of the guest, by the numbers that it announces.
    private enum Phase {
        static let sizing: UInt8 = 2
        static let placement: UInt8 = 3
        static let exercise: UInt8 = 4
    }

    /// Makes the machine, runs the guest, and compares the findings of the guest with those of the monitor.
    ///
    /// - Returns: The result, and the guest memory at boot.
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
        let output = PrintedBytes()
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
        let (hasExited, guest) = (
            report.outcome == .exited(0), figures(in: String(decoding: output.bytes, as: UTF8.self))
        )
        let mismatches = hasExited ? machine.countWrongPages(buses: configuration.board.buses ?? 256) : 0
        let result = LayoutResult(
            layout: layout.name, policy: policy,
            functions: layout.functions.count { $0.description.bridge == nil },
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

    /// Reads the figures that the guest printed, each in a line with a name and a number. A figure without a line is 0.
    private static func figures(in text: String) -> [String: Int] {
        let words = text.split(separator: "\n").map { $0.split(separator: " ") }
        let names = ["functions", "bars", "bytesChecked", "mismatches", "interrupts"]
        let numbers = names.map { name in words.last { $0.count == 2 && $0[0] == name }.flatMap { Int($0[1]) } ?? 0 }
        return Dictionary(uniqueKeysWithValues: zip(names, numbers))
    }

    /// Whether the guest has found the whole layout, and nothing wrong.
    private static func finds(_ layout: Layout, _ guest: [String: Int]) -> Bool {
        let interrupts = layout.functions.count { $0.description.msix != nil && $0.description.doorbell != nil }
        return guest["functions"] == layout.functions.count && guest["mismatches"] == 0
            && guest["interrupts"] == interrupts
    }

}

/// The bytes that a guest has printed.
final class PrintedBytes: Sendable {
    private let state = Lock<[UInt8]>([])

    @Sendable func append(_ more: [UInt8], isCancelled: () -> Bool) {
        state.withLock { $0 += more }
    }

    var bytes: [UInt8] { state.withLock { $0 } }
}

extension GuestMachine {
    /// Counts the pages of mapped BARs that do not hold the guest's pattern, which `guests/README.md` describes. Each BAR is
    /// read at three pages (the first, one in the middle, and the last), at its present address, through the monitor's own
    /// mapping.
    fileprivate func countWrongPages(buses: Int) -> Int {
        var wrong = 0
        for region in memory.decoded where region.kind == .mapped && region.access == .readWrite {
            guard case .bar(let number) = region.owner.register else { continue }
            let pages = region.range.pages
            let function = region.owner.function
            let place = UInt64(function.segment) * UInt64(buses) << 8 + UInt64(function.requesterID)
            for page in [0, (pages - 1) / 2, pages - 1] {
                let address = region.range.first.rawValue + page << Page.shift
                let pattern = address &+ UInt64(number) &+ place << 48
                if read(count: 8, at: GuestAddress(address)) != littleEndian(pattern) { wrong += 1 }
            }
        }
        return wrong
    }
}

/// The result of a `PCIRun`.
public struct LayoutResult: Codable, Sendable {
    /// The slots at the start of the run, by owner.
    public struct Slots: Codable, Sendable {
        /// Slots of RAM.
        public let ram: Int
        /// Slots of BARs, and of all other mappings that are neither RAM nor ROM.
        public let bars: Int
        /// Slots of ROMs.
        public let roms: Int
        /// All slots.
        public let total: Int
        /// The number of slots that the machine can have.
        public let limit: Int
    }

    /// The edits of slots in three parts of the experiment.
    public struct Edits: Codable, Sendable {
        /// Until the guest began.
        public let build: EditCounts
        /// In the guest's sizing phase.
        public let sizing: EditCounts
        /// In the guest's placement phase.
        public let placement: EditCounts
    }

    /// The durations of three parts of the experiment.
    public struct Seconds: Codable, Sendable {
        /// The making of the machine.
        public let build: Double
        /// The transaction with all slots, which is part of the making.
        public let slots: Double
        /// The run of the guest.
        public let guest: Double
    }

    /// The version of the JSON, 1.
    public private(set) var schema = 1
    /// The name of the layout.
    public let layout: String
    /// The slot policy of the machine.
    public let policy: SlotPolicy
    /// The number of functions that are not bridges.
    public let functions: Int
    /// The numbers of mapped and trapped pieces at boot. Mappings count as mapped pieces if they are not RAM.
    public let pieces: [BARPiece.Kind: Int]
    /// The slots at boot.
    public let slots: Slots
    /// The edits of slots.
    public let edits: Edits
    /// The durations.
    public let seconds: Seconds
    /// The kernel memory that the slots take.
    public let kernelBytes: KernelBytes
    /// The figures that the guest prints about its work, by name. A figure that it did not print is 0.
    public let guest: [String: Int]
    /// The number of pages in which the monitor did not find the guest's pattern.
    public let hostMismatches: Int
    /// The name of the way in which the guest ended.
    public let outcome: String
    /// The exit status of `swiftlet run` for this end.
    public let exitCode: Int32
    /// Whether the guest found every function and nothing wrong, and the monitor found everything that the guest wrote.
    public let ok: Bool
    /// The outcome in words, with the state of the vCPUs if the guest did not end by itself.
    public let ending: String
}

extension LayoutResult {
    /// Whether the guest ended by its own will.
    public var isOrderly: Bool { ["exited", "halted", "reset", "poweredOff"].contains(outcome) }
}

extension LayoutResult.Slots {
    /// Counts slots by their owners. A slot that several mappings share counts once, with the owner of its first mapping.
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
