/// A listening socket, and the thread that serves the socket's clients.
public final class ListeningThread: Sendable {
    /// The eventfd that is posted at the end of the server, and by threads that want to wake the server.
    public let posts: SharedDescriptor
    private let listener: Lock<ListeningSocket?>
    private let thread = Lock<HostThread?>(nil)

    /// Starts to listen.
    public init(at address: SocketAddress) throws(HostError) {
        posts = try SharedDescriptor(eventFor: "a server")
        listener = Lock(try ListeningSocket(address))
    }

    /// Starts the thread, which runs `serve`. The socket is closed when `serve` returns.
    public func start(
        name: String, serve: @escaping @Sendable (borrowing ListeningSocket) -> Void
    ) throws(HostError) {
        let thread = try HostThread(name: name) {
            if let socket = self.listener.withLock({ $0.take() }) { serve(socket) }
        }
        self.thread.withLock { $0 = thread }
    }

    /// Wakes the thread and waits for its end. If the thread has not ended after `time`, detaches it.
    public func end(within time: Duration) {
        posts.post()
        guard let thread = thread.withLock({ $0.take() }), !thread.join(within: time) else { return }
        thread.detach()
    }
}
