internal import Machine
internal import Memslots

/// The answer that the rules predict for a request.
enum SlotVerdict: Hashable, Sendable {
    case accepted(SlotChange)
    case refused(SlotRule)
    case refusedMemory(GuestMemoryRule)

    typealias Predict = @Sendable (MemslotTable, SlotRequest) -> SlotVerdict

    /// Predicts the answer to a request by the rules of the table.
    init(of table: MemslotTable, on request: SlotRequest) {
        do throws(SlotViolation) {
            self = .accepted(try table.change(for: request))
        } catch {
            self = .refused(error.rule)
        }
    }
}

/// A target, and a table that follows its slots. The session predicts each operation, carries it out, and compares the answer
/// with the prediction.
struct FuzzSession<Target: FuzzTarget & ~Copyable>: ~Copyable {
    private(set) var target: Target
    private(set) var table: MemslotTable
    private let predict: SlotVerdict.Predict
    let base: UInt64

    private(set) var accepted = 0
    private(set) var refusals: [SlotRule: Int] = [:]
    private(set) var guestMemoryRefusals: [GuestMemoryRule: Int] = [:]
    private(set) var reads = 0
    private var guestMemory: GuestMemfdRules
    /// The answer to the last operation: `accepted`, an errno, or what the guest read. Nil after a read whose result cannot be
    /// predicted.
    private(set) var answer: String?

    init(_ target: consuming Target, predict: @escaping SlotVerdict.Predict) {
        table = MemslotTable(limits: target.limits)
        base = target.memoryBase
        if let request = target.codeSlot, let change = try? table.change(for: request) {
            table.apply(change)
        }
        self.predict = predict
        guestMemory = GuestMemfdRules(isOffered: target.features.contains(.guestMemory))
        self.target = target
    }

    /// Carries out an operation.
    ///
    /// - Returns: The predicted and the real answer, in words. Nil if they agree.
    mutating func divergence(at operation: FuzzOperation) throws(MachineError) -> String? {
        switch operation {
        case .request(let request): try divergence(at: request)
        case .read(let address): try divergence(reading: address)
        }
    }

    private mutating func divergence(at request: FuzzRequest) throws(MachineError) -> String? {
        let asked = request.request(base: base)
        // A file of somebody else could give the guest other code, and memory of this process to it.
        guard asked.slot != target.codeSlot?.slot else {
            throw .experiment(
                "slot \(asked.slot) holds the code of the guest that reads, and no operation may change it")
        }
        var errno: SlotErrno?
        do throws(SlotErrno) {
            if let place = request.guestMemory { try target.set(asked, place) } else { try target.set(asked) }
        } catch { errno = error }
        let seen = errno.map { "\($0)" } ?? "accepted"
        answer = seen
        let predicted: String
        switch guestMemory.verdict(on: asked, request.guestMemory, table, predict) {
        case .accepted(let change) where errno == nil:
            table.apply(change)
            guestMemory.apply(change, flags: asked.flags, request.guestMemory)
            accepted += 1
            return nil
        case .refused(let rule) where errno == rule.errno:
            refusals[rule, default: 0] += 1
            return nil
        case .refusedMemory(let rule) where errno == rule.errno:
            guestMemoryRefusals[rule, default: 0] += 1
            return nil
        case .accepted: predicted = "accepted"
        case .refused(let rule):
            predicted = "refused with \(rule.errno) by the rule `\(rule.rawValue)` (\(rule.words))"
        case .refusedMemory(let rule):
            predicted = "refused with \(rule.errno) by the rule `\(rule.rawValue)` (\(rule.words))"
        }
        return "\(request): predicted: \(predicted); KVM: \(errno == nil ? seen : "refused with \(seen)")"
    }

    private mutating func divergence(reading address: GuestAddress) throws(MachineError) -> String? {
        answer = nil
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
        answer = "\(seen)"
        return seen == expected ? nil : "read at \(address): predicted: \(expected); the guest saw: \(seen)"
    }
}

/// The system that the fuzzer tests: KVM, or a fake of KVM in tests. At first it has no slot but `codeSlot`.
protocol FuzzTarget: ~Copyable {
    var limits: SlotLimits { get }
    /// The number of the first address space that the target does not have.
    var missingAddressSpace: UInt32 { get }
    /// The host address of the memory for slots: `FuzzMemory.pages` pages, each of which begins with its label.
    var memoryBase: UInt64 { get }
    /// Whether the page of the local APIC is a device even where a slot covers the page. In KVM it is one if KVM's emulator
    /// carries out the guest's instructions.
    var apicPageIsDevice: Bool { get }
    /// The features of newer kernels that the target uses.
    var features: Set<FuzzFeature> { get }
    /// The slot that the target keeps for itself, if there is one.
    var codeSlot: SlotRequest? { get }

    mutating func set(_ request: SlotRequest) throws(SlotErrno)
    /// Makes the request by KVM_SET_USER_MEMORY_REGION2.
    mutating func set(_ request: SlotRequest, _ place: GuestMemfdPlace) throws(SlotErrno)
    mutating func readWord(at address: GuestAddress) throws(MachineError) -> BareMachine.ReadResult
}

/// The host memory behind the fuzzed slots. Each page begins with its label.
enum FuzzMemory {
    static let pages: UInt64 = 256
    static let size = pages * Page.size
    /// The size of each guest_memfd, in bytes.
    static let guestSize = 32 * Page.size
}

/// The page at which processors have their local APIC after a reset.
enum APICPage {
    static let address = GuestAddress(0xfee0_0000)
    static let range = GuestRange(first: address, size: Page.size) ?? .everything
}

extension BareMachine: FuzzTarget {
    var memoryBase: UInt64 { placement.backings[0] }

    mutating func set(_ request: SlotRequest) throws(SlotErrno) { try installer.set(request) }

    /// Makes a machine with a reader and with labelled pages.
    ///
    /// Tries whether the reader reads a slot at the page of the local APIC. On hardware such a slot is memory. KVM's emulator
    /// takes that page for a device's (`vcpu_is_mmio_gpa`).
    static func forFuzzing(_ features: Set<FuzzFeature>) throws(MachineError) -> BareMachine {
        var machine = try BareMachine(memory: FuzzMemory.size, hasReader: true, features: features)
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
