internal import Host
internal import PCI

/// The client's end of the socket. All threads that ask the server share the connection. The connection also has a thread of its
/// own.
///
/// A thread that waits for a reply receives messages itself if no other thread does, so that a reply wakes the thread that asked.
/// The connection's own thread receives while no other thread waits. The thread that receives also carries out the server's
/// accesses to guest memory. Each message is checked, and the first invalid one ends the connection.
final class ServerConnection: Sendable {
    /// A reply to a command.
    struct Reply: Sendable {
        /// The reason why the command was not carried out (errno).
        var error: UInt32?
        var payload: [UInt8]
        var descriptors: [SharedDescriptor]
    }

    private struct State: Sendable {
        var lastID: UInt16 = 0
        /// The commands that are under way, by id.
        var waiting: [UInt16: Command] = [:]
        /// The replies that have come, but that the waiting threads have not fetched yet, by id.
        var replies: [UInt16: Reply] = [:]
        /// Whether a thread is receiving.
        var isReceiving = false
        /// The reason why the connection has ended, or nil while it stands.
        var loss: DeviceProcessError?
        var memory: (any DMAMemory)?
        var resample: SharedDescriptor?
        var handler: LossHandler?
    }

    /// The next step of a thread that waits for a reply.
    private enum Step: Sendable {
        /// The reply has come.
        case done(Reply)
        /// The connection has ended.
        case lost(DeviceProcessError)
        /// The thread has to receive a message itself.
        case receive
    }

    /// The time for the rest of a message once it has begun to arrive, and the time for sending a message.
    private static let messageTime = Duration.seconds(1)

    private let connection: Connection
    /// The eventfd that wakes the connection's own thread.
    private let wake: SharedDescriptor
    /// The lock that lets one thread at a time send a message.
    private let sending = Lock(false)
    private let state = Monitor(State())

    init(_ connection: consuming Connection, to name: String) throws(HostError) {
        wake = try SharedDescriptor(eventFor: "the connection to \(name)")
        self.connection = connection
    }

    var loss: DeviceProcessError? { state.withLock { $0.loss } }

    func setMemory(_ memory: any DMAMemory) {
        state.withLock { $0.memory = memory }
    }

    /// Sets the eventfd that is signalled when the guest has handled the interrupt line.
    func setResample(_ event: SharedDescriptor?) {
        state.withLock { $0.resample = event }
        wake.post()
    }

    /// Has the connection's own thread call `handler` when the connection ends. If the connection has ended already, returns the
    /// reason, and never calls the handler.
    func onLoss(_ handler: LossHandler) -> DeviceProcessError? {
        state.withLock { state in
            if state.loss == nil { state.handler = handler }
            return state.loss
        }
    }

    /// Ends the connection. If several reasons are given, the first one counts.
    func fail(_ loss: DeviceProcessError) {
        state.update { state in
            state.loss = state.loss ?? loss
            state.waiting = [:]
        }
        connection.shutDown()
        wake.post()
    }

    // MARK: Commands

    /// Sends a command and waits for the reply.
    ///
    /// - Parameter limit: The time after which the server counts as lost, or nil to wait as long as the connection stands.
    func request(
        _ command: Command, _ payload: [UInt8], with descriptors: [SharedDescriptor] = [], within limit: Duration?
    ) throws(DeviceProcessError) -> Reply {
        let deadline = limit.map { SuspendingClock.now + $0 }
        let id = try state.withLock { (state) throws(DeviceProcessError) -> UInt16 in
            if let loss = state.loss { throw loss }
            // This ends, because there are fewer threads than ids.
            repeat { state.lastID &+= 1 } while state.waiting[state.lastID] != nil
            state.waiting[state.lastID] = command
            return state.lastID
        }
        send(Header(command, id: id, payload: payload.count).bytes + payload, with: descriptors)
        while true {
            let left = deadline.map { max(.zero, $0 - SuspendingClock.now) }
            let step: Step? = state.wait(for: left) { state in
                if let reply = state.replies.removeValue(forKey: id) { return .done(reply) }
                if let loss = state.loss { return .lost(loss) }
                guard !state.isReceiving, left != .zero else { return nil }
                state.isReceiving = true
                return .receive
            }
            switch step {
            case .done(let reply): return reply
            case .lost(let loss): throw loss
            case .receive: receive(within: left)
            case nil: fail(.silent(command))
            }
        }
    }

    /// Sends a message, and ends the connection if that fails.
    private func send(_ bytes: [UInt8], with descriptors: [SharedDescriptor] = []) {
        do throws(ConnectionError) {
            try sending.withLock { _ throws(ConnectionError) in
                try connection.send(bytes, with: descriptors, within: Self.messageTime)
            }
        } catch {
            fail(.connection(error))
        }
    }

    // MARK: Messages that come

    /// Receives a message if one comes in time, and handles it. The caller must be the one thread that receives.
    private func receive(within time: Duration?) {
        defer { state.update { $0.isReceiving = false } }
        do throws(DeviceProcessError) {
            if let time {
                guard try connected(try connection.wait(within: time).hasInput) else { return }
            }
            // Without a time limit the system call that receives also waits. This saves a system call that only waits.
            let (bytes, descriptors) = try connected(
                try connection.receive(
                    exactly: Header.byteCount, mostDescriptors: Version.descriptorCount,
                    within: time == nil ? nil : Self.messageTime))
            let header: Header
            do { header = try Header(bytes) } catch { throw .message(error) }
            let payload = try connected(
                try connection.receive(exactly: header.payloadSize, within: Self.messageTime).bytes)
            guard header.isReply else { return serve(header, payload) }
            let isExpected = state.update { state in
                guard state.waiting[header.id]?.rawValue == header.command else { return false }
                state.waiting[header.id] = nil
                state.replies[header.id] = Reply(error: header.error, payload: payload, descriptors: descriptors)
                return true
            }
            if !isExpected { throw .unexpectedReply(id: header.id) }
        } catch {
            fail(error)
        }
    }

    /// Returns the result of a call, and throws its error as the loss of the connection.
    private func connected<Result>(
        _ call: @autoclosure () throws(ConnectionError) -> Result
    ) throws(DeviceProcessError) -> Result {
        do { return try call() } catch { throw .connection(error) }
    }

    /// Carries out a command of the server, and replies.
    private func serve(_ header: Header, _ payload: [UInt8]) {
        var reply: [UInt8] = []
        var error: UInt32?
        let memory = state.withLock { $0.memory }
        do throws(MessageError) {
            switch Command(rawValue: header.command) {
            case .readMemory:
                let access = try MemoryAccess(payload, hasData: false)
                let data = memory?.read(count: Int(access.count), at: access.address)
                error = data == nil ? Self.badAddress : nil
                reply = MemoryAccess(address: access.address, count: access.count, data: data ?? []).bytes
            case .writeMemory:
                let access = try MemoryAccess(payload, hasData: true)
                error = memory?.write(access.data, at: access.address) == true ? nil : Self.badAddress
                reply = MemoryAccess(address: access.address, count: access.count).bytes
            default: error = Self.invalid
            }
        } catch {
            return fail(.message(error))
        }
        guard !header.wantsNoReply else { return }
        let answer = Header(replyTo: header, payload: error == nil ? reply.count : 0, error: error)
        send(answer.bytes + (error == nil ? reply : []))
    }

    /// EFAULT, for accesses to memory that is not mapped for DMA.
    private static let badAddress: UInt32 = 14
    /// EINVAL, for commands that a client does not carry out.
    private static let invalid: UInt32 = 22

    // MARK: The connection's thread

    /// The time for which the connection's own thread leaves the socket to other threads. Without the pause each reply would wake
    /// this thread as well as the thread that asked.
    private static let pause = Duration.milliseconds(1)

    /// Receives while no other thread waits for a reply, until the connection ends.
    func run() {
        var unmask: InterruptChange { InterruptChange(.unmask, .none, .intx, count: 1) }
        // The id of the last command when this thread looked before. If the id has changed, other threads are sending commands
        // without a pause, and this thread leaves the socket to them.
        var lastID: UInt16?
        while true {
            let (loss, resample, isReceiving, id) = state.withLock { ($0.loss, $0.resample, $0.isReceiving, $0.lastID) }
            if loss != nil { break }
            let isFree = !isReceiving && id == lastID
            lastID = id
            let time = isFree ? nil : Self.pause
            guard let ready = try? connection.wait(or: resample, wake, forInput: isFree, within: time) else { continue }
            if ready.isSecondReady { _ = wake.take() }
            if ready.isFirstReady, let resample, resample.take() > 0 {
                _ = try? request(.setInterrupts, unmask.bytes, within: nil)
            }
            // Another thread may have begun to wait in the meantime, and have taken the message.
            let isMine =
                ready.hasInput
                && state.withLock { state in
                    guard !state.isReceiving, state.loss == nil else { return false }
                    state.isReceiving = true
                    return true
                }
            if isMine { receive(within: .zero) } else if ready.hasInput { lastID = nil }
        }
        let (handler, loss) = state.withLock { state in
            defer { state.handler = nil }
            return (state.handler, state.loss)
        }
        if let loss { handler?.call(loss) }
    }
}

/// The guest memory that a server may read and write by messages.
public protocol DMAMemory: AnyObject, Sendable {
    /// Returns the bytes at an address that was mapped for DMA, or nil if not all of them were mapped.
    func read(count: Int, at address: UInt64) -> [UInt8]?

    /// Writes bytes at an address that was mapped for DMA. Returns whether all of them were mapped.
    func write(_ bytes: [UInt8], at address: UInt64) -> Bool
}

/// The function that is called when a device is lost.
public struct LossHandler: Sendable {
    let call: @Sendable (DeviceProcessError) -> Void

    /// Creates a handler from a function that takes the reason.
    public init(_ call: @escaping @Sendable (DeviceProcessError) -> Void) {
        self.call = call
    }
}
