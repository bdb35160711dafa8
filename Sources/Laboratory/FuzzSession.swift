internal import Machine
internal import Memslots

/// What the rules say of a request.
enum SlotVerdict: Hashable, Sendable {
    case accepted(SlotChange)
    case refused(SlotRule)

    typealias Predict = @Sendable (MemslotTable, SlotRequest) -> SlotVerdict

    /// The rules as the table has them.
    init(of table: MemslotTable, on request: SlotRequest) {
        do throws(SlotViolation) {
            self = .accepted(try table.change(for: request))
        } catch {
            self = .refused(error.rule)
        }
    }
}

/// A target and the table that follows it: each operation is predicted, done, and held against the prediction.
struct FuzzSession<Target: FuzzTarget & ~Copyable>: ~Copyable {
    private var target: Target
    private(set) var table: MemslotTable
    private let predict: SlotVerdict.Predict
    let base: UInt64
    let missingAddressSpace: UInt32

    private(set) var accepted = 0
    private(set) var refusals: [SlotRule: Int] = [:]
    private(set) var looks = 0

    init(_ target: consuming Target, predict: @escaping SlotVerdict.Predict) {
        table = MemslotTable(limits: target.limits)
        base = target.memoryBase
        missingAddressSpace = target.missingAddressSpace
        if let request = target.codeSlot, case .accepted(let change) = SlotVerdict(of: table, on: request) {
            table.apply(change)
        }
        self.predict = predict
        self.target = target
    }

    /// Does an operation; what was predicted and what was seen, in words, or nil where they agree.
    mutating func divergence(at operation: FuzzOperation) throws(MachineError) -> String? {
        switch operation {
        case .request(let request): divergence(at: request)
        case .look(let address): try divergence(lookingAt: address)
        }
    }

    private mutating func divergence(at request: FuzzRequest) -> String? {
        let asked = request.request(base: base)
        let verdict = predict(table, asked)
        var answer: SlotErrno?
        do { try target.set(asked) } catch { answer = error }
        switch verdict {
        case .accepted(let change):
            guard answer == nil else { break }
            table.apply(change)
            accepted += 1
            return nil
        case .refused(let rule):
            guard answer == rule.errno else { break }
            refusals[rule, default: 0] += 1
            return nil
        }
        let predicted =
            switch verdict {
            case .accepted: "accepted"
            case .refused(let rule): "refused with \(rule.errno) by the rule `\(rule.rawValue)` (\(rule.words))"
            }
        return "\(request): predicted: \(predicted); KVM: \(answer.map { "refused with \($0)" } ?? "accepted")"
    }

    private mutating func divergence(lookingAt address: GuestAddress) throws(MachineError) -> String? {
        let expected: BareMachine.Sight
        switch table.find(address) {
        case .hole: expected = .hole
        case .slot(let slot):
            let offset = slot.host &- base &+ slot.range.offset(of: address)
            // Elsewhere in this process lies what nobody can predict.
            guard offset < FuzzMemory.size else { return nil }
            expected = offset % Page.size == 0 ? .word(Label(number: Int(offset >> Page.shift)).word) : .word(0)
        }
        looks += 1
        let seen = try target.look(at: address)
        return seen == expected ? nil : "read at \(address): predicted \(expected), the guest saw \(seen)"
    }
}
