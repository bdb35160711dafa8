internal import Machine
internal import Memslots

/// The answer that the rules predict for a request.
enum SlotVerdict: Hashable, Sendable {
    case accepted(SlotChange)
    case refused(SlotRule)

    typealias Predict = @Sendable (MemslotTable, SlotRequest) -> SlotVerdict

    /// Predicts the answer by the rules of the table.
    init(of table: MemslotTable, on request: SlotRequest) {
        do throws(SlotViolation) {
            self = .accepted(try table.change(for: request))
        } catch {
            self = .refused(error.rule)
        }
    }
}

/// A target and the table that follows it. Each operation is predicted, carried out, and compared with the prediction.
struct FuzzSession<Target: FuzzTarget & ~Copyable>: ~Copyable {
    private(set) var target: Target
    private(set) var table: MemslotTable
    private let predict: SlotVerdict.Predict
    let base: UInt64

    private(set) var accepted = 0
    private(set) var refusals: [SlotRule: Int] = [:]
    private(set) var reads = 0

    init(_ target: consuming Target, predict: @escaping SlotVerdict.Predict) {
        table = MemslotTable(limits: target.limits)
        base = target.memoryBase
        if let request = target.codeSlot, let change = try? table.change(for: request) {
            table.apply(change)
        }
        self.predict = predict
        self.target = target
    }

    /// Does an operation.
    ///
    /// - Returns: In words, what was predicted and what was seen; nil where they agree.
    mutating func divergence(at operation: FuzzOperation) throws(MachineError) -> String? {
        switch operation {
        case .request(let request): divergence(at: request)
        case .read(let address): try divergence(reading: address)
        }
    }

    private mutating func divergence(at request: FuzzRequest) -> String? {
        let asked = request.request(base: base)
        var answer: SlotErrno?
        do { try target.set(asked) } catch { answer = error }
        let predicted: String
        switch predict(table, asked) {
        case .accepted(let change) where answer == nil:
            table.apply(change)
            accepted += 1
            return nil
        case .refused(let rule) where answer == rule.errno:
            refusals[rule, default: 0] += 1
            return nil
        case .accepted: predicted = "accepted"
        case .refused(let rule):
            predicted = "refused with \(rule.errno) by the rule `\(rule.rawValue)` (\(rule.words))"
        }
        return "\(request): predicted: \(predicted); KVM: \(answer.map { "refused with \($0)" } ?? "accepted")"
    }

    private mutating func divergence(reading address: GuestAddress) throws(MachineError) -> String? {
        let expected: BareMachine.ReadResult
        switch table.find(address) {
        case .hole: expected = .hole
        case .slot where target.apicPageIsDevice && APICPage.range.contains(address): expected = .hole
        case .slot(let slot):
            let offset = slot.host &- base &+ slot.range.offset(of: address)
            // The contents of other memory of this process cannot be predicted.
            guard offset < FuzzMemory.size else { return nil }
            expected = offset % Page.size == 0 ? .word(Label(number: Int(offset >> Page.shift)).word) : .word(0)
        }
        reads += 1
        let seen = try target.readWord(at: address)
        return seen == expected ? nil : "read at \(address): predicted: \(expected); the guest saw: \(seen)"
    }
}

/// What the fuzzer asks: a KVM, or a fake of it in tests. It begins with no slots but its own `codeSlot`.
protocol FuzzTarget: ~Copyable {
    var limits: SlotLimits { get }
    /// The number of the first address space that does not exist.
    var missingAddressSpace: UInt32 { get }
    /// The address of the host memory for slots: `FuzzMemory.pages` pages, each with its label.
    var memoryBase: UInt64 { get }
    /// Whether the page of the local APIC is a device's whatever slot is there, because KVM interprets the guest's instructions.
    var apicPageIsDevice: Bool { get }
    /// The slot that the target keeps for itself, if any.
    var codeSlot: SlotRequest? { get }

    mutating func set(_ request: SlotRequest) throws(SlotErrno)
    mutating func readWord(at address: GuestAddress) throws(MachineError) -> BareMachine.ReadResult
}

/// The host memory that fuzzed slots show: each page begins with its label.
enum FuzzMemory {
    static let pages: UInt64 = 256
    static let size = pages * Page.size
}

/// The page at which processors find their local APIC after a reset.
enum APICPage {
    static let address = GuestAddress(0xfee0_0000)
    static let range = GuestRange(first: address, size: Page.size) ?? .everything
}

extension BareMachine: FuzzTarget {
    var memoryBase: UInt64 { placement.backings[0] }

    mutating func set(_ request: SlotRequest) throws(SlotErrno) { try installer.set(request) }

    /// Makes a machine with a reader, whose pages have their labels. Finds out whether a slot at the page of the local APIC is read: KVM's
    /// emulator takes that page for a device's (`vcpu_is_mmio_gpa`), and on hardware it is memory.
    static func forFuzzing() throws(MachineError) -> BareMachine {
        var machine = try BareMachine(memory: FuzzMemory.size, hasReader: true)
        for page in 0..<FuzzMemory.pages {
            machine.write(Label(number: Int(page)).bytes, at: page << Page.shift)
        }
        var slot = SlotRequest(
            slot: 0, guestAddress: APICPage.address.rawValue, size: Page.size, hostAddress: machine.memoryBase)
        try machine.mustSet(slot)
        machine.apicPageIsDevice = try machine.readWord(at: APICPage.address) == .hole
        slot.size = 0
        try machine.mustSet(slot)
        return machine
    }
    private mutating func mustSet(_ request: SlotRequest) throws(MachineError) {
        do { try set(request) } catch { throw .experiment("KVM refuses \(request) with \(error)") }
    }
}
