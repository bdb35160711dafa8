/// A step of a transaction.
public enum TransactionStep: Hashable, Sendable {
    /// Takes a slot's dirty log, before the slot or one of its mappings changes.
    case takeDirtyLog(Memslot)
    /// Changes one slot.
    case edit(SlotEdit)
    /// Maps a piece of a backing into a window.
    case place(WindowPiece)
    /// Unmaps a piece of a backing from its window.
    case clear(WindowPiece)
    /// Lets KVM take an event's writes, or lets these writes exit again.
    case event(IOEvent, isTaken: Bool)
    /// Tells an observer that a mapping is added or removed.
    case observer(ObserverID, Mapping, isAdded: Bool)
}

/// A list of steps that take place whole or not at all.
///
/// The steps are applied one by one, and the table follows each of them. If a step fails, the steps before it are undone in reverse
/// order. The way back passes only states that the way there has passed, so undoing breaks no rule.
struct Transaction: Sendable {
    typealias Observers = [ObserverID: any MemoryObserver]

    var steps: [TransactionStep] = []
    /// The dirty logs that steps have taken. They are kept even if a later step fails, because KVM forgets a log that it has handed
    /// out. The address space files the pages under their mappings after the vCPUs have resumed.
    private(set) var dirtyLogs: [(slot: Memslot, words: [UInt64])] = []
    /// The steps that were applied, in a form that tells how each is undone.
    private var applied: [Applied] = []
    private var observers: Observers

    /// A step that was applied.
    private enum Applied: Sendable {
        /// A step that is undone by its opposite step.
        case step(TransactionStep)
        /// An edit, which is undone by the inverse change of its slot.
        case slot(SlotChange)
    }

    init(steps: [TransactionStep] = [], observers: Observers = [:]) {
        self.steps = steps
        self.observers = observers
    }

    /// Parks the vCPUs and applies all steps. If a step fails, undoes the steps before it and throws.
    mutating func run<Installer: SlotInstaller & ~Copyable>(
        on table: inout MemslotTable, through installer: inout Installer
    ) throws(TransactionError) {
        guard !steps.isEmpty else { return }
        applied.reserveCapacity(steps.count)
        installer.park()
        defer { installer.resume() }
        for step in steps {
            do throws(TransactionError.Cause) {
                if case .edit(let edit) = step {
                    applied.append(.slot(try Self.apply(edit, to: &table, through: &installer)))
                } else {
                    do { try perform(step, through: &installer) } catch { throw .kernel(error) }
                    applied.append(.step(step))
                }
            } catch {
                let (stuck, lost) = undo(on: &table, through: &installer)
                throw TransactionError(
                    step: step, number: applied.count, count: steps.count, cause: error, stuck: stuck, lost: lost)
            }
        }
    }

    /// Carries out a step other than an edit of a slot.
    private mutating func perform<Installer: SlotInstaller & ~Copyable>(
        _ step: TransactionStep, through installer: inout Installer
    ) throws(SlotErrno) {
        switch step {
        case .edit: preconditionFailure("edits of slots follow the table")
        case .takeDirtyLog(let slot): dirtyLogs.append((slot, try installer.takeDirtyLog(of: slot)))
        case .place(let piece): try installer.place(piece)
        case .clear(let piece): try installer.clear(piece)
        case .event(let event, let isTaken): try installer.setEvent(event, isTaken: isTaken)
        case .observer(let id, let mapping, let isAdded):
            if isAdded { try observers[id]?.add(mapping) } else { try observers[id]?.remove(mapping) }
        }
    }

    /// Checks an edit against the rules, has KVM make it, and records it in the table.
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

    /// Undoes the applied steps, the last one first.
    ///
    /// - Returns: The steps that could not be undone, and the observers that are lost.
    private mutating func undo<Installer: SlotInstaller & ~Copyable>(
        on table: inout MemslotTable, through installer: inout Installer
    ) -> (stuck: [TransactionError.Stuck], lost: [ObserverID]) {
        var stuck: [TransactionError.Stuck] = []
        var lost: [ObserverID] = []
        for step in applied.reversed() {
            do throws(SlotErrno) {
                switch step {
                case .slot(let change): try Self.undo(change, on: &table, through: &installer)
                case .step(let step): if let opposite = step.opposite { try perform(opposite, through: &installer) }
                }
            } catch {
                if case .step(.observer(let id, _, _)) = step {
                    observers[id] = nil
                    lost.append(id)
                } else {
                    stuck.append(TransactionError.Stuck(what: Self.describe(step), errno: error))
                }
            }
        }
        return (stuck, lost)
    }

    /// Undoes the change of a slot.
    private static func undo<Installer: SlotInstaller & ~Copyable>(
        _ change: SlotChange, on table: inout MemslotTable, through installer: inout Installer
    ) throws(SlotErrno) {
        guard let request = change.inverse.request else { return }
        // A slot that could not be undone may be in the way of this one, or may have its id. In the second case KVM would move that
        // slot instead of creating this one.
        let possible: SlotChange
        do { possible = try table.change(for: request) } catch { throw error.rule.errno }
        guard possible == change.inverse else { throw .exists }
        try installer.set(request)
        table.apply(change.inverse)
    }

    /// Describes the state that remains because a step could not be undone.
    private static func describe(_ step: Applied) -> String {
        switch step {
        case .slot(.create(let slot)): "\(slot) is still there"
        case .slot(.delete(let slot)): "\(slot) is gone"
        case .slot(.move(let from, let to)): "slot \(to.id) is at \(to.range), not back at \(from.range)"
        case .slot(.setFlags(let from, let to)):
            "slot \(to.id) has the flags \(to.flags.rawValue), not \(from.flags.rawValue)"
        case .slot(.none): "nothing changed"
        case .step(let step): "this step could not be undone: \(step)"
        }
    }
}

extension TransactionStep {
    /// The step that undoes this one, or nil if nothing has to be undone. Edits are undone by the inverse change of their slot
    /// instead.
    fileprivate var opposite: TransactionStep? {
        switch self {
        case .takeDirtyLog, .edit: nil
        case .place(let piece): .clear(piece)
        case .clear(let piece): .place(piece)
        case .event(let event, let isTaken): .event(event, isTaken: !isTaken)
        case .observer(let id, let mapping, let isAdded): .observer(id, mapping, isAdded: !isAdded)
        }
    }
}

extension TransactionStep: CustomStringConvertible {
    public var description: String {
        switch self {
        case .takeDirtyLog(let slot): "take the dirty pages of \(slot)"
        case .edit(.create(let range, let host, _)): "create a slot at \(range) with host \(hexadecimal(host))"
        case .edit(.delete(let id)): "delete slot \(id)"
        case .edit(.move(let id, let target)): "move slot \(id) to \(target)"
        case .edit(.setFlags(let id, let flags)): "set the flags of slot \(id) to \(flags.rawValue)"
        case .place(let piece): "map \(piece.size) bytes at host \(hexadecimal(piece.host))"
        case .clear(let piece): "unmap \(piece.size) bytes at host \(hexadecimal(piece.host))"
        case .event(let event, let isTaken): "\(isTaken ? "take" : "no longer take") writes of \(event)"
        case .observer(_, let mapping, let isAdded):
            "let an observer \(isAdded ? "mirror" : "forget") \(mapping.owner) at \(mapping.range)"
        }
    }
}
