public import Board
internal import Host
internal import Images
public import Layouts
public import Machine
public import Memslots
public import PCI

/// Runs the built-in PCI guest on a machine with a layout's functions. The guest finds, sizes, places and exercises all of them.
public struct PCIRun {
    private let layout: Layout
    private var configuration: MachineConfiguration
    private let image: [UInt8]

    /// The phases of the guest, by the numbers with which it marks them.
    private enum Phase {
        static let sizing: UInt8 = 2
        static let placement: UInt8 = 3
        static let exercise: UInt8 = 4
    }

    public init(
        _ layout: Layout, choices: AddressMap.Choices = AddressMap.Choices(), policy: SlotPolicy, decode: DecodePolicy, vcpus: Int,
        mayExhaustHost: Bool
    ) {
        guard let builtIn = BuiltInGuest.named("pci") else { preconditionFailure("the PCI guest is built in") }
        self.layout = layout
        image = builtIn.image
        configuration = builtIn.configuration
        configuration.board = choices
        configuration.add(layout)
        configuration.policy = policy
        configuration.decode = decode
        configuration.vcpus = vcpus
        configuration.mayExhaustHost = mayExhaustHost
    }

    /// Makes the machine, runs the guest, and compares what the guest and the monitor found.
    public func run(timeout: Duration? = nil) throws(MachineError) -> LayoutResult {
        let output = Output()
        let memoryBefore = try KernelBytes.used()
        let start = SuspendingClock.now
        let machine = try GuestMachine(configuration, flat: image, catchesSignals: true, consoleOutput: output.append)
        let buildTime = SuspendingClock.now - start
        let (table, memory) = (machine.slots, machine.memory)
        let kernelBytes = try KernelBytes(
            predicted: Footprint.kernelBytes(of: table, mmu: .ofHost), since: memoryBefore)

        let report = try machine.run(timeout: timeout)
        let marks = Dictionary(report.phases.map { ($0.phase, $0.edits) }, uniquingKeysWith: { first, _ in first })
        func edits(from first: UInt8, to last: UInt8) -> EditCounts {
            guard let first = marks[first], let last = marks[last] else { return EditCounts() }
            return last - first
        }
        let (hasExited, guest) = (report.outcome == .exited(0), Self.figures(in: output.text))
        let mismatches = hasExited ? machine.countWrongPages() : 0
        return LayoutResult(
            layout: layout.name, policy: configuration.policy, functions: layout.functions.count,
            pieces: [.mapped: memory.rows.count { $0.mapping.owner != .ram }, .trapped: memory.trapped.count],
            slots: LayoutResult.Slots(memory.rows, limit: table.limit),
            edits: LayoutResult.Edits(
                build: table.edits, sizing: edits(from: Phase.sizing, to: Phase.placement),
                placement: edits(from: Phase.placement, to: Phase.exercise)),
            seconds: LayoutResult.Seconds(
                build: buildTime.inSeconds, slots: machine.mappingTime.inSeconds, guest: report.duration.inSeconds),
            kernelBytes: kernelBytes, guest: guest, hostMismatches: mismatches, outcome: report.outcome.name,
            exitCode: report.outcome.exitCode,
            ok: hasExited && isRight(guest) && mismatches == 0, ending: report.ending,
            memory: memory)
    }

    /// Reads the figures from what the guest printed: lines of a name and a number. A figure without a line is 0.
    private static func figures(in text: String) -> [String: Int] {
        let words = text.split(separator: "\n").map { $0.split(separator: " ") }
        let names = ["functions", "bars", "bytesChecked", "mismatches", "interrupts"]
        let numbers = names.map { name in words.last { $0.count == 2 && $0[0] == name }.flatMap { Int($0[1]) } ?? 0 }
        return Dictionary(uniqueKeysWithValues: zip(names, numbers))
    }

    /// Whether the guest has found the whole layout and nothing wrong.
    private func isRight(_ guest: [String: Int]) -> Bool {
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
