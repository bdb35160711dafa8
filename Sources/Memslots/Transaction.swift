/// A step of a transaction.
public enum TransactionStep: Hashable, Sendable {
    /// Takes a slot's dirty log, before the slot or what lies in it changes.
    case takeDirtyLog(Memslot)
    case edit(SlotEdit)
    case place(WindowPiece)
    case clear(WindowPiece)
}

/// A list of slot edits and window placements that takes place whole or not at all.
///
/// The steps are applied one by one, and the table follows each. Where one fails, those before it are undone in reverse.
/// Each state that undoing passes through was passed through before, so no rule stands in its way.
struct Transaction: Sendable {
    var steps: [TransactionStep] = []
    /// The dirty logs that were taken, all of them until the end, also where a later step failed: KVM has forgotten what it hands
    /// out. They are sorted into mappings when the vCPUs run again.
    private(set) var dirtyLogs: [(slot: Memslot, words: [UInt64])] = []
    private var applied: [Applied] = []

    private enum Applied: Sendable {
        case nothing
        case slot(SlotChange)
        case placed(WindowPiece)
        case cleared(WindowPiece)
    }

    init(steps: [TransactionStep] = []) {
        self.steps = steps
    }

    /// Makes it a transaction without steps that has not run.
    mutating func empty() {
        steps.empty()
        dirtyLogs.empty()
        applied.empty()
    }

    /// Applies all steps, the vCPUs parked meanwhile.
    mutating func run<Installer: SlotInstaller & ~Copyable>(
        on table: inout MemslotTable, through installer: inout Installer
    ) throws(TransactionError) {
        guard !steps.isEmpty else { return }
        applied.reserveCapacity(steps.count)
        installer.park()
        defer { installer.resume() }
        for step in steps {
            do throws(TransactionError.Cause) {
                applied.append(try apply(step, to: &table, through: &installer))
            } catch {
                let stuck = undo(on: &table, through: &installer)
                throw TransactionError(
                    step: step, number: applied.count, count: steps.count, cause: error, stuck: stuck)
            }
        }
    }

    private mutating func apply<Installer: SlotInstaller & ~Copyable>(
        _ step: TransactionStep, to table: inout MemslotTable, through installer: inout Installer
    ) throws(TransactionError.Cause) -> Applied {
        switch step {
        case .edit(let edit):
            return .slot(try Self.apply(edit, to: &table, through: &installer))
        case .takeDirtyLog(let slot):
            do { dirtyLogs.append((slot, try installer.takeDirtyLog(of: slot))) } catch { throw .kernel(error) }
            return .nothing
        case .place(let piece):
            do { try installer.place(piece) } catch { throw .kernel(error) }
            return .placed(piece)
        case .clear(let piece):
            do { try installer.clear(piece) } catch { throw .kernel(error) }
            return .cleared(piece)
        }
    }

    private static func apply<Installer: SlotInstaller & ~Copyable>(
        _ edit: SlotEdit, to table: inout MemslotTable, through installer: inout Installer
    ) throws(TransactionError.Cause) -> SlotChange {
        let change: SlotChange
        do throws(SlotViolation) {
            change = try table.change(for: try table.request(for: edit))
        } catch {
            throw .rule(error)
        }
        do throws(SlotErrno) {
            if let request = change.request {
                try installer.set(request)
            }
        } catch {
            throw .kernel(error)
        }
        table.apply(change)
        return change
    }

    /// Undoes what was applied, the last step first; returns what could not be undone.
    private mutating func undo<Installer: SlotInstaller & ~Copyable>(
        on table: inout MemslotTable, through installer: inout Installer
    ) -> [TransactionError.Stuck] {
        var stuck: [TransactionError.Stuck] = []
        for step in applied.reversed() {
            do throws(SlotErrno) {
                switch step {
                case .nothing: break
                case .slot(let change):
                    try Self.undo(change, on: &table, through: &installer)
                case .placed(let piece): try installer.clear(piece)
                case .cleared(let piece): try installer.place(piece)
                }
            } catch {
                stuck.append(TransactionError.Stuck(what: Self.describe(step), errno: error))
            }
        }
        return stuck
    }

    private static func undo<Installer: SlotInstaller & ~Copyable>(
        _ change: SlotChange, on table: inout MemslotTable, through installer: inout Installer
    ) throws(SlotErrno) {
        guard let request = change.inverse.request else { return }
        // A slot that is stuck may be in the way of one that comes back, or have its id: then KVM would move it instead.
        let possible: SlotChange
        do { possible = try table.change(for: request) } catch { throw error.rule.errno }
        guard possible == change.inverse else { throw .exists }
        try installer.set(request)
        table.apply(change.inverse)
    }

    private static func describe(_ step: Applied) -> String {
        switch step {
        case .slot(.create(let slot)): "\(slot) is still there"
        case .slot(.delete(let slot)): "\(slot) is gone"
        case .slot(.move(let from, let to)): "slot \(to.id) is at \(to.range), not back at \(from.range)"
        case .slot(.setFlags(let from, let to)):
            "slot \(to.id) has the flags \(to.flags.rawValue), not \(from.flags.rawValue)"
        case .nothing, .slot(.none): "nothing changed"
        case .placed(let piece): "\(piece.size) bytes at host \(hexadecimal(piece.host)) are still mapped"
        case .cleared(let piece): "\(piece.size) bytes at host \(hexadecimal(piece.host)) are no longer mapped"
        }
    }
}

/// A transaction that did not take place.
public struct TransactionError: Error, Hashable, Sendable {
    public enum Cause: Error, Hashable, Sendable {
        /// An edit breaks a rule; KVM was not asked.
        case rule(SlotViolation)
        /// The kernel refused a step that breaks no rule known here.
        case kernel(SlotErrno)
    }

    /// A step that could not be undone.
    public struct Stuck: Hashable, Sendable {
        /// What is so now, and should not be.
        public let what: String
        public let errno: SlotErrno
    }

    public let step: TransactionStep
    /// Steps that had been applied before the one that failed, out of `count`.
    public let number: Int
    public let count: Int
    public let cause: Cause
    /// Empty where all is as it was before.
    public let stuck: [Stuck]
}

extension TransactionError: CustomStringConvertible {
    public var description: String {
        var text = "step \(number + 1) of \(count), \(stepDescription): \(causeDescription); "
        if stuck.isEmpty {
            text += "the steps before it were undone"
        } else {
            text += "KVM now holds something else than before: "
            text += stuck.map { "\($0.what) (\($0.errno))" }.joined(separator: "; ")
        }
        return text
    }

    private var causeDescription: String {
        switch cause {
        case .rule(let violation): "\(violation)"
        case .kernel(let errno) where isWindowStep: "mmap failed with \(errno); perhaps vm.max_map_count is reached"
        case .kernel(let errno):
            "the kernel refused with \(errno), though no rule known here is broken; on some processors KVM keeps slots of "
                + "its own, and its memory may have run out"
        }
    }

    private var isWindowStep: Bool {
        switch step {
        case .place, .clear: true
        case .edit, .takeDirtyLog: false
        }
    }

    private var stepDescription: String {
        switch step {
        case .takeDirtyLog(let slot): "take the dirty pages of \(slot)"
        case .edit(.create(let range, let host, _)): "create a slot at \(range) with host \(hexadecimal(host))"
        case .edit(.delete(let id)): "delete slot \(id)"
        case .edit(.move(let id, let target)): "move slot \(id) to \(target)"
        case .edit(.setFlags(let id, let flags)): "set the flags of slot \(id) to \(flags.rawValue)"
        case .place(let piece): "map \(piece.size) bytes at host \(hexadecimal(piece.host))"
        case .clear(let piece): "unmap \(piece.size) bytes at host \(hexadecimal(piece.host))"
        }
    }
}
