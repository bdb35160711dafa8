internal import Debugging
public import Host
internal import KVM
internal import Synchronization

/// A server for debuggers that speak GDB's remote protocol. It serves one debugger at a time, in a thread of its own.
///
/// While a debugger is connected, the guest stops for it, also at faults. When the debugger leaves, by its own will or not, the
/// guest goes on without breakpoints. A debugger that takes no bytes for two seconds is cut off.
public final class DebugServer: Sendable {
    private let machine: GuestMachine
    private let monitor: DebugMonitor
    private let listening: ListeningThread
    private let end = Lock<UInt8?>(nil)
    private let abilities: DebugAbilities

    private static let patience = Duration.seconds(2)

    /// Makes a server, which listens and serves from now on.
    public init(_ machine: GuestMachine, at address: SocketAddress, monitor: DebugMonitor) throws(MachineError) {
        self.machine = machine
        self.monitor = monitor
        abilities = try DebugAbilities.probe()
        listening = try host(try ListeningThread(at: address))
        try host(
            try listening.start(name: "debugger") { (socket: borrowing ListeningSocket) in self.serve(socket) })
    }

    /// Tells a connected debugger that the run has ended with a status, and ends the server.
    public func finish(status: Int32) {
        end.withLock { $0 = UInt8(truncatingIfNeeded: status) }
        // A command of the debugger's user may still wait for a function whose model does not return.
        listening.end(within: Self.patience * 2)
    }

    /// A connection and its session. The session begins with the first bytes from the client, so a silent connection stops no guest.
    private struct Client: ~Copyable {
        let connection: Connection
        let target: MachineDebugTarget
        var session: DebugSession<MachineDebugTarget>?
    }

    private func serve(_ listener: borrowing ListeningSocket) {
        var client: Client?
        while true {
            let ready: Connection.Ready
            do throws(ConnectionError) {
                switch client {
                case .some(let client): ready = try client.connection.wait(or: listening.posts, listener.descriptor)
                case .none: ready = try Connection.Ready(waitingFor: listening.posts, listener.descriptor)
                }
            } catch { break }
            if ready.isFirstReady { _ = listening.posts.take() }
            if let status = end.withLock({ $0 }) {
                if let bytes = client?.session?.reportEnd(status: status) {
                    _ = client?.connection.send(bytes, within: Self.patience)
                }
                return
            }
            // The present client is released before the next one is accepted.
            if client != nil, !(ready.hasInput ? takeInput(&client) : true) || !reportStops(&client) {
                release(&client)
            }
            if ready.isSecondReady { accept(from: listener, &client) }
        }
        release(&client)
    }

    private func accept(from listener: borrowing ListeningSocket, _ client: inout Client?) {
        guard let connection = listener.accept() else { return }
        if client == nil || client?.session == nil {
            client = Client(
                connection: connection,
                target: MachineDebugTarget(machine, monitor: monitor, abilities: abilities), session: nil)
        }
    }

    private func release(_ client: inout Client?) {
        if client?.session != nil { client?.target.release() }
        client = nil
    }

    /// Handles the bytes that the client has sent. Returns whether the client is still there.
    private func takeInput(_ client: inout Client?) -> Bool {
        guard let bytes = client?.connection.receive(upTo: 4096).bytes else { return true }
        guard !bytes.isEmpty, let target = client?.target else { return false }
        if client?.session == nil {
            machine.onStop { self.listening.posts.post() }
            target.pause()
            client?.session = DebugSession(target: target)
        }
        guard let answer = client?.session?.receive(bytes) else { return false }
        return client?.connection.send(answer, within: Self.patience) == true && client?.session?.hasEnded == false
    }

    /// Tells the client of the next vCPU that has stopped, if the client waits for a stop. Returns whether the client is still there.
    private func reportStops(_ client: inout Client?) -> Bool {
        guard client?.session?.isRunning == true, let stop = client?.target.nextStop(),
            let answer = client?.session?.report(stop.reason, of: stop.thread)
        else { return true }
        return client?.connection.send(answer, within: Self.patience) == true
    }
}
