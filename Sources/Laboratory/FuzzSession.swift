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

    private mutating func divergence(reading address: GuestAddress) throws(MachineError) -> String? {
        let expected: BareMachine.ReadResult
        switch table.find(address) {
        case .hole: expected = .hole
        case .slot(let slot):
            let offset = slot.host &- base &+ slot.range.offset(of: address)
            // The contents of other memory of this process cannot be predicted.
            guard offset < FuzzMemory.size else { return nil }
            expected = offset % Page.size == 0 ? .word(Label(number: Int(offset >> Page.shift)).word) : .word(0)
        }
        reads += 1
        let seen = try target.readWord(at: address)
        return seen == expected ? nil : "read at \(address): predicted \(expected), the guest saw \(seen)"
    }
}
