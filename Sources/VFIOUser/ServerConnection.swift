internal import Host
internal import PCI

/// The client's end of the socket. It is used by all threads that ask the server, and by a thread of its own.
///
/// Whoever waits for a reply receives messages as long as nobody else does, so that a reply wakes the thread that asked. The connection's
/// own thread receives while nobody waits. Either carries out what the server asks of guest memory. Each message is checked; the first
/// that cannot be ends the connection.
final class ServerConnection: Sendable {
    struct Reply: Sendable {
        /// The reason why the command was not carried out (errno).
        var error: UInt32?
        var payload: [UInt8]
        var descriptors: [SharedDescriptor]
    }

    private struct State: Sendable {
        var lastID: UInt16 = 0
        /// The commands that are under way, by id, and the replies that nobody has fetched yet.
        var waiting: [UInt16: Command] = [:]
        var replies: [UInt16: Reply] = [:]
        var isReceiving = false
        var loss: DeviceProcessError?
        var memory: (any DMAMemory)?
        var resample: SharedDescriptor?
        var handler: LossHandler?
    }

    private enum Step: Sendable {
        case done(Reply)
        case lost(DeviceProcessError)
        case receive
    }

    /// The time for the rest of a message whose beginning has come, and for a message to leave.
    private static let messageTime = Duration.seconds(1)

    private let connection: Connection
    private let wake: SharedDescriptor
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

    /// Sets the eventfd that says that the guest has handled the interrupt line.
    func setResample(_ event: SharedDescriptor?) {
        state.withLock { $0.resample = event }
        wake.post()
    }

    /// Has the connection's thread call `handler` when the connection ends. If it has ended, nobody is called and the reason returned.
    func onLoss(_ handler: LossHandler) -> DeviceProcessError? {
        state.withLock { state in
            state.handler = handler
            return state.loss
        }
    }

    /// Ends the connection. The first reason counts.
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
    /// - Parameter limit: The time after which the server counts as lost, or nil to wait for as long as it lives.
    func request(
        _ command: Command, _ payload: [UInt8], with descriptors: [SharedDescriptor] = [], within limit: Duration?
    ) throws(DeviceProcessError) -> Reply {
        let deadline = limit.map { SuspendingClock.now + $0 }
        let id = try state.withLock { (state) throws(DeviceProcessError) -> UInt16 in
            if let loss = state.loss { throw loss }
            // There are fewer threads than ids.
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

    /// Receives a message if one comes within the time, and handles it. The caller is the one thread that receives.
    private func receive(within time: Duration?) {
        defer { state.update { $0.isReceiving = false } }
        do throws(DeviceProcessError) {
            if let time {
                let hasInput = try connected { () throws(ConnectionError) in try connection.wait(within: time).hasInput
                }
                guard hasInput else { return }
            }
            // Without a limit the call that receives also waits, which saves another.
            let (bytes, descriptors) = try connected { () throws(ConnectionError) in
                try connection.receive(
                    exactly: Header.byteCount, mostDescriptors: Version.descriptorCount,
                    within: time == nil ? nil : Self.messageTime)
            }
            let header: Header
            do { header = try Header(bytes) } catch { throw .message(error) }
            let payload = try connected { () throws(ConnectionError) in
                try connection.receive(exactly: header.payloadSize, within: Self.messageTime).bytes
            }
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

    private func connected<Result>(
        _ body: () throws(ConnectionError) -> Result
    ) throws(DeviceProcessError) -> Result {
        do { return try body() } catch { throw .connection(error) }
    }

    /// Carries out a command of the server's, and replies.
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

    /// EFAULT and EINVAL.
    private static let badAddress: UInt32 = 14
    private static let invalid: UInt32 = 22

    // MARK: The connection's thread

    /// The time for which the connection's thread leaves the socket to others. Each reply would wake it beside the thread that asked.
    private static let pause = Duration.milliseconds(1)

    /// Receives while nobody waits for a reply, until the connection ends.
    func run() {
        var unmask: InterruptChange { InterruptChange(.unmask, .none, .intx, count: 1) }
        // The id of the last command when this thread looked before. Where others ask without a pause, it leaves the socket to them.
        var lastID: UInt16?
        while true {
            let (loss, resample, isReceiving, id) = state.withLock { ($0.loss, $0.resample, $0.isReceiving, $0.lastID) }
            if loss != nil { break }
            let isFree = !isReceiving && id == lastID
            lastID = id
            let time = isFree ? nil : Self.pause
            guard let ready = try? connection.wait(or: resample, wake, forInput: isFree, within: time) else { continue }
            if ready.isSecondPosted { _ = wake.take() }
            if ready.isFirstPosted, let resample, resample.take() > 0 {
                _ = try? request(.setInterrupts, unmask.bytes, within: nil)
            }
            // Another thread may have begun to wait, and have taken the message.
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

/// The memory that a server may read and write by messages.
public protocol DMAMemory: AnyObject, Sendable {
    /// Returns the bytes at an address that was mapped for DMA, or nil if not all of them were.
    func read(count: Int, at address: UInt64) -> [UInt8]?

    /// Writes bytes at an address that was mapped for DMA. Returns whether all of them were.
    func write(_ bytes: [UInt8], at address: UInt64) -> Bool
}

/// What is called when a device is lost.
public struct LossHandler: Sendable {
    let call: @Sendable (DeviceProcessError) -> Void

    public init(_ call: @escaping @Sendable (DeviceProcessError) -> Void) {
        self.call = call
    }
}
