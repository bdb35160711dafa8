public import Host
internal import PCI

/// A server at a local socket that offers a function to clients of vfio-user. It serves one client after the other, in a thread of
/// its own.
public final class DeviceServer: Sendable {
    private let listening: ListeningThread

    /// The time in which a client has to send the rest of a message, or to take an answer.
    private static let patience = Duration.seconds(1)

    /// Begins to listen at `path` and to serve clients.
    public init(_ function: consuming ServedFunction, at path: String) throws(HostError) {
        listening = try ListeningThread(at: .local(path: path))
        let function = Lock<ServedFunction?>(function)
        try listening.start(name: "device") { (socket: borrowing ListeningSocket) in
            if var function = function.withLock({ $0.take() }) { self.serve(&function, at: socket) }
        }
    }

    /// Ends the server. A present client sees that the connection ends.
    public func stop() {
        listening.end(within: Self.patience * 4)
    }

    private func serve(_ function: inout ServedFunction, at listener: borrowing ListeningSocket) {
        while let ready = try? Connection.Ready(waitingFor: listening.posts, listener.descriptor), !ready.isFirstReady {
            guard ready.isSecondReady, let client = listener.accept() else { continue }
            converse(with: client, &function)
            function.release()
        }
    }

    /// Answers a client until the client leaves or breaks the protocol, or the server is stopped.
    private func converse(with client: borrowing Connection, _ function: inout ServedFunction) {
        var hasVersion = false
        while let ready = try? client.wait(or: listening.posts, function.doorbell), !ready.isFirstReady {
            if ready.isSecondReady, let doorbell = function.doorbell, doorbell.take() > 0 { function.raise(0) }
            guard ready.hasInput else { continue }
            do {
                let (bytes, descriptors) = try client.receive(
                    exactly: Header.byteCount, mostDescriptors: Self.mostDescriptors, within: Self.patience)
                let header = try Header(bytes)
                let payload = try client.receive(exactly: header.payloadSize, within: Self.patience).bytes
                let answer: ServedFunction.Answer
                if hasVersion {
                    // This server sends no commands, so no reply is due.
                    guard !header.isReply else { return }
                    answer = function.answer(header, payload, descriptors)
                } else {
                    guard header.command == Command.version.rawValue, !header.isReply else { return }
                    _ = try Version(payload)
                    answer = ServedFunction.Answer(
                        payload: Version(maximumDescriptors: Self.mostDescriptors).bytes)
                    hasVersion = true
                }
                guard !header.wantsNoReply else { continue }
                let reply = Header(replyTo: header, payload: answer.payload.count, error: answer.errno)
                try client.send(reply.bytes + answer.payload, with: answer.descriptors, within: Self.patience)
            } catch { return }
        }
    }

    /// The descriptors that a client may pass in one message.
    private static let mostDescriptors = 32
}
