import Synchronization

@testable import Memslots

/// An observer that keeps what it is told, and fails the calls that a test chose.
final class FakeObserver: MemoryObserver {
    struct Call: Hashable {
        var mapping: Mapping
        var isAdded: Bool
    }

    /// All that can change, so that a test can put it back.
    struct State: Sendable {
        /// What the observer mirrors.
        var contents: Set<Mapping> = []
        var calls: [Call] = []
        /// By the number of the call: the errno with which it fails.
        var failures: [Int: SlotErrno] = [:]
        /// What a caller must not do: add a mapping twice, remove one that is not there, tell of one that is not mirrored.
        var complaints: [String] = []
    }

    private let state = Mutex(State())
    private let isMirrored: @Sendable (Mapping) -> Bool

    /// An observer of all mappings, or of some.
    init(of isMirrored: @escaping @Sendable (Mapping) -> Bool = { _ in true }) {
        self.isMirrored = isMirrored
    }

    var current: State {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    var contents: Set<Mapping> { current.contents }
    var calls: [Call] { current.calls }

    /// Forgets calls, so that they are counted from 0 again; what is mirrored stays.
    func startCounting(failing failures: [Int: SlotErrno] = [:]) {
        current = State(contents: contents, failures: failures)
    }

    func mirrors(_ mapping: Mapping) -> Bool { isMirrored(mapping) }

    func add(_ mapping: Mapping) throws(SlotErrno) { try hear(Call(mapping: mapping, isAdded: true)) }

    func remove(_ mapping: Mapping) throws(SlotErrno) { try hear(Call(mapping: mapping, isAdded: false)) }

    private func hear(_ call: Call) throws(SlotErrno) {
        try state.withLock { (state: inout State) throws(SlotErrno) in
            let number = state.calls.count
            state.calls.append(call)
            if !isMirrored(call.mapping) { state.complaints.append("\(call) is not mirrored") }
            if state.contents.contains(call.mapping) == call.isAdded { state.complaints.append("\(call) again") }
            if let errno = state.failures[number] { throw errno }
            if call.isAdded { state.contents.insert(call.mapping) } else { state.contents.remove(call.mapping) }
        }
    }
}
