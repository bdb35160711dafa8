/// Answers clients that send lines to a local socket. Each client has a thread, so that none waits for another.
///
/// Only the owner of the process and root are served. If there are too many clients, the one that has been silent for the longest gives way.
public final class LineServer: Sendable {
    /// Returns the answer to a line, or to a client whose line cannot be taken. It is called by several threads at once.
    public typealias Responder = @Sendable (Result<LineConnection.Line, LineError>) -> [UInt8]

    /// The bytes of the longest line.
    public static let longestLine = 1 << 18
    /// The most clients at a time.
    public static let mostClients = 16

    /// Clients go by the events that are posted when they have to give way.
    private struct State: Sendable {
        /// The clients that wait for no answer, the one first that has been silent for the longest.
        var silent: [SharedDescriptor] = []
        var served = 0
        var threads = 0
    }

    private let responder: Responder
    private let lineTime: Duration
    private let listening: ListeningThread
    /// Posted at the end, and never taken.
    private let end: SharedDescriptor
    private let state = Monitor(State())

    /// Begins to listen, and to serve.
    ///
    /// - Parameter lineTime: The time from the first byte of a line to its end, and for an answer to be taken.
    public init(
        at path: String, lineTime: Duration = .seconds(5), responder: @escaping Responder
    ) throws(HostError) {
        (self.responder, self.lineTime) = (responder, lineTime)
        end = try SharedDescriptor(eventFor: "the end of a server")
        listening = try ListeningThread(at: .local(path: path))
        try listening.start(name: "control") { (listener: borrowing ListeningSocket) in
            while let ready = try? self.listening.events.wait(for: listener), !ready.isPosted {
                if ready.hasClient, let connection = listener.accept(), listener.isOwners(connection) {
                    self.admit(connection)
                }
            }
        }
    }

    /// Ends the server and removes its socket. Answers that are under way are sent, unless that takes longer than `time`.
    public func stop(within time: Duration = .seconds(5)) {
        end.post()
        listening.end(within: time)
        _ = state.wait(for: time) { $0.threads == 0 ? true : nil }
    }

    private func admit(_ connection: consuming Connection) {
        guard let client = try? SharedDescriptor(eventFor: "a client"), makePlace(for: client) else {
            let answer = responder(.failure(.tooManyClients(Self.mostClients)))
            _ = connection.send(answer, within: .milliseconds(100))
            return
        }
        let connection = Lock<Connection?>(connection)
        let thread = try? HostThread(name: "control-client") {
            if let connection = connection.withLock({ $0.take() }) { self.converse(connection, client) }
            self.leave(client)
        }
        if let thread { thread.detach() } else { leave(client) }
    }

    /// Returns false if all clients wait for answers, or too many that had to give way have not gone yet.
    private func makePlace(for client: SharedDescriptor) -> Bool {
        state.withLock { state in
            if state.silent.count + state.served >= Self.mostClients {
                guard !state.silent.isEmpty, state.threads < 2 * Self.mostClients else { return false }
                state.silent.removeFirst().post()
            }
            state.silent.append(client)
            state.threads += 1
            return true
        }
    }

    private func leave(_ client: SharedDescriptor) {
        state.update { state in
            state.silent.removeAll { $0 === client }
            state.threads -= 1
        }
    }

    private func converse(_ connection: consuming Connection, _ client: SharedDescriptor) {
        var lines = LineConnection(connection, longest: Self.longestLine)
        while true {
            let line: Result<LineConnection.Line, LineError>
            do throws(LineError) {
                line = .success(try lines.next(within: nil, whole: lineTime, unless: end, client))
            } catch {
                guard error != .closed else { return }
                line = .failure(error)
            }
            let isThere = state.withLock { state in
                guard let place = state.silent.firstIndex(where: { $0 === client }) else { return false }
                state.silent.remove(at: place)
                state.served += 1
                return true
            }
            guard isThere else { return }
            let answer = responder(line)
            state.withLock { state in
                state.served -= 1
                state.silent.append(client)
            }
            guard lines.send(answer, within: lineTime), case .success = line else { return }
        }
    }
}
