/// A server that answers lines from the clients of a local socket. Each client has a thread of its own, so that no client waits for
/// another.
///
/// Only the owner of the process and root are served. If there are too many clients, the client that has been silent for the
/// longest has to give way.
public final class LineServer: Sendable {
    /// A function that returns the answer to a line. If no line can be taken from a client, the function gets the reason and
    /// returns the answer to that. Several threads call it at once.
    public typealias Responder = @Sendable (Result<LineConnection.Line, LineError>) -> [UInt8]

    /// The most bytes that a line may have.
    public static let longestLine = 1 << 18
    /// The most clients at a time.
    public static let mostClients = 16

    /// The clients. The server knows a client by the eventfd that it posts when the client has to give way.
    private struct State: Sendable {
        /// The clients that wait for no answer. The first one has been silent for the longest.
        var silent: [SharedDescriptor] = []
        /// The number of clients that wait for an answer.
        var served = 0
        /// The number of clients' threads. The threads of clients that have to give way are included.
        var threads = 0
    }

    private let responder: Responder
    private let lineTime: Duration
    private let listening: ListeningThread
    /// An eventfd that is posted at the end of the server. Its count is never taken, so all threads see it.
    private let end: SharedDescriptor
    private let state = Monitor(State())

    /// Starts to listen and to serve clients.
    ///
    /// - Parameters:
    ///   - path: The path of the local socket.
    ///   - lineTime: The time for a line, from its first byte on. The same time is the most that a client may take to receive an
    ///     answer.
    ///   - responder: The function that answers lines.
    public init(
        at path: String, lineTime: Duration = .seconds(5), responder: @escaping Responder
    ) throws(HostError) {
        (self.responder, self.lineTime) = (responder, lineTime)
        end = try SharedDescriptor(eventFor: "the end of a server")
        listening = try ListeningThread(at: .local(path: path))
        try listening.start(name: "control") { (listener: borrowing ListeningSocket) in
            while let ready = try? Connection.Ready(waitingFor: self.listening.posts, listener.descriptor),
                !ready.isFirstReady
            {
                if ready.isSecondReady, let connection = listener.accept(), listener.isOwners(connection) {
                    self.admit(connection)
                }
            }
        }
    }

    /// Ends the server and removes its socket. Waits until the answers under way are sent, but not longer than `time`.
    public func stop(within time: Duration = .seconds(5)) {
        end.post()
        listening.end(within: time)
        _ = state.wait(for: time) { $0.threads == 0 ? true : nil }
    }

    /// Starts a thread for a client, or tells the client that there are too many.
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

    /// Adds a client. If there are too many clients, tells the one that has been silent for the longest to give way.
    ///
    /// - Returns: False if all clients wait for answers, or if too many clients that have to give way are still there.
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

    /// Removes a client whose thread ends.
    private func leave(_ client: SharedDescriptor) {
        state.update { state in
            state.silent.removeAll { $0 === client }
            state.threads -= 1
        }
    }

    /// Answers the lines of a client until the client is gone, has to give way, or sends a line that cannot be taken.
    private func converse(_ connection: consuming Connection, _ client: SharedDescriptor) {
        var lines = LineConnection(connection, longest: Self.longestLine)
        while true {
            let line = Result { () throws(LineError) in
                try lines.next(within: nil, whole: lineTime, unless: end, client)
            }
            if case .failure(.closed) = line { return }
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
