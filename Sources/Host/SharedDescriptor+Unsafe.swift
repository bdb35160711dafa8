internal import CHost
internal import Glibc

/// A descriptor whose file this process shares with another process or with a device, such as an eventfd or a file with memory. It
/// is closed after its last use.
public final class SharedDescriptor: Sendable {
    let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    fileprivate convenience init(received number: Int32) throws(HostError) {
        self.init(try Descriptor(owning: number, "recvmsg", "a descriptor"))
    }

    /// Creates an eventfd, whose reads do not block.
    public convenience init(eventFor subject: String) throws(HostError) {
        self.init(try Descriptor(owning: chost_event_descriptor(), "eventfd", subject))
    }

    /// Creates a second descriptor of a memory file.
    public convenience init(_ file: borrowing MemoryFile) throws(HostError) {
        self.init(
            try Descriptor(owning: chost_duplicate(file.descriptor.number), "fcntl F_DUPFD_CLOEXEC", file.name))
    }

    /// Connects to a local socket. The connection is meant for another process, which gets this descriptor.
    public convenience init(connectedTo path: String) throws(HostError) {
        // SAFETY: the call reads the string, which outlives it.
        self.init(try Descriptor(owning: unsafe chost_connect_local(path), "connect", path))
    }

    /// The number of the descriptor. The descriptor is open as long as this object lives.
    @unsafe
    public var number: Int32 { descriptor.number }

    /// Adds one to the count of an eventfd, and wakes all threads that wait for it.
    public func post() {
        _ = chost_post_event(descriptor.number)
    }

    /// Waits until one of at most three eventfds has a count that is not zero. Returns the index of that eventfd.
    public static func waitForFirst(of events: [SharedDescriptor]) -> Int {
        precondition((1...3).contains(events.count))
        let numbers = events.map { $0.descriptor.number } + [-1, -1]
        while true {
            let ready = chost_wait_for_input(numbers[0], numbers[1], numbers[2], -1)
            if ready > 0 { return ready.trailingZeroBitCount }
        }
    }

    /// Whether the descriptor is an eventfd. Without /proc this cannot be found out, and the answer is false.
    public var isEvent: Bool { chost_is_event(descriptor.number) }

    /// Returns the count of an eventfd, and sets the count to zero.
    public func take() -> UInt64 {
        chost_take_count(descriptor.number)
    }
}

extension ForeignMemory {
    /// Opens a part of the file behind a descriptor.
    ///
    /// - Throws: EINVAL if the part does not consist of whole pages, or if it reaches beyond the end of the file.
    public init(_ shared: SharedDescriptor, name: String, offset: UInt64, size: UInt64) throws(HostError) {
        // SAFETY: the descriptor is open as long as `shared` lives.
        try unsafe self.init(descriptor: shared.descriptor.number, name: name, offset: offset, size: size)
    }
}

/// The reason why bytes could not be sent or received.
public enum ConnectionError: Error, Hashable, Sendable {
    /// The other side has closed the connection, or is gone.
    case closed
    /// The time was over first.
    case timedOut
    /// The call failed with this errno.
    case failed(Int32)
}

extension ConnectionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .closed: "the connection was closed"
        case .timedOut: "there was no answer in time"
        case .failed(let errno): "the connection failed (errno \(errno))"
        }
    }
}

extension Connection {
    /// Connects to a local socket.
    public init(toLocal path: String) throws(HostError) {
        // SAFETY: the call reads the string, which outlives it.
        self.init(try Descriptor(owning: unsafe chost_connect_local(path), "connect", path))
    }

    /// Opens a connection that another process has made.
    public init(_ shared: SharedDescriptor, name: String) throws(HostError) {
        self.init(try Descriptor(owning: chost_duplicate(shared.descriptor.number), "fcntl F_DUPFD_CLOEXEC", name))
    }

    /// Receives what has come so far, without waiting.
    ///
    /// - Returns: The bytes, which are empty at the end of the connection and nil if none have come yet, and the descriptors that
    ///   came with them.
    public borrowing func receive(
        upTo count: Int, mostDescriptors: Int = 0
    ) -> (bytes: [UInt8]?, descriptors: [SharedDescriptor]) {
        let (bytes, descriptors, result) = receivePart(upTo: count, waits: false, mostDescriptors: mostDescriptors)
        return ([-Int64(EAGAIN), -Int64(EINTR)].contains(result) ? nil : bytes, descriptors)
    }

    /// Receives `count` bytes, and the descriptors that come with them. Surplus descriptors are closed.
    ///
    /// - Parameters:
    ///   - mostDescriptors: The most descriptors to receive.
    ///   - time: The time within which all bytes must come, or nil to wait for ever.
    public borrowing func receive(
        exactly count: Int, mostDescriptors: Int = 0, within time: Duration?
    ) throws(ConnectionError) -> (bytes: [UInt8], descriptors: [SharedDescriptor]) {
        let deadline = time.map { SuspendingClock.now + $0 }
        var (bytes, descriptors) = ([UInt8](), [SharedDescriptor]())
        while bytes.count < count {
            let (part, passed, result) = receivePart(
                upTo: count - bytes.count, waits: time == nil, mostDescriptors: mostDescriptors - descriptors.count)
            descriptors += passed
            bytes += part
            if result == 0 { throw .closed }
            if result < 0 { try wait(after: result, writable: false, until: deadline) }
        }
        return (bytes, descriptors)
    }

    /// Receives the bytes and descriptors that are there.
    ///
    /// - Returns: The bytes, the descriptors, and a result: the number of bytes, 0 at the end of the connection, or a negative
    ///   errno.
    private borrowing func receivePart(
        upTo count: Int, waits: Bool, mostDescriptors: Int
    ) -> (bytes: [UInt8], descriptors: [SharedDescriptor], result: Int64) {
        var numbers = [Int32](repeating: -1, count: max(0, mostDescriptors))
        var passed = numbers.count
        var result: Int64 = 0
        // SAFETY: the call fills the buffers from their starts on, and says how much of each buffer it has filled.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            result = unsafe numbers.withUnsafeMutableBufferPointer { numbers in
                unsafe chost_receive_descriptors(
                    number, buffer.baseAddress, count, waits, numbers.baseAddress, &passed)
            }
            initialized = max(0, Int(result))
        }
        let descriptors = numbers.prefix(passed).compactMap { number in try? SharedDescriptor(received: number) }
        return (bytes, descriptors, result)
    }

    /// Sends all bytes, and descriptors with the first of them.
    public borrowing func send(
        _ bytes: [UInt8], with descriptors: [SharedDescriptor], within time: Duration
    ) throws(ConnectionError) {
        let deadline = SuspendingClock.now + time
        var numbers = descriptors.map { $0.descriptor.number }
        var rest = bytes[...]
        while !rest.isEmpty {
            // SAFETY: the call reads the arrays, which outlive it. The descriptors are open as long as their objects live.
            let result = unsafe rest.withUnsafeBytes { buffer in
                unsafe chost_send_descriptors(number, buffer.baseAddress, buffer.count, numbers, numbers.count)
            }
            if result < 0 {
                try wait(after: result, writable: true, until: deadline)
            } else {
                rest = rest.dropFirst(Int(result))
                numbers = []
            }
        }
        withExtendedLifetime(descriptors) {}
    }

    /// Waits until a call that has failed can be repeated.
    ///
    /// - Parameters:
    ///   - result: The result of the call: a negative errno.
    ///   - writable: Whether the call was to send.
    ///   - deadline: The time at which the wait ends at the latest, or nil for none.
    private borrowing func wait(
        after result: Int64, writable: Bool, until deadline: SuspendingClock.Instant?
    ) throws(ConnectionError) {
        switch Int32(truncatingIfNeeded: -result) {
        case EINTR: return
        case EAGAIN:
            let left = deadline.map { $0 - SuspendingClock.now }
            guard (left ?? .seconds(1)) > .zero else { throw .timedOut }
            let ready = chost_wait_until_ready(number, writable, left?.nanoseconds ?? -1)
            if ready < 0 { throw .failed(-ready) }
        case EPIPE, ECONNRESET: throw .closed
        case let errno: throw .failed(errno)
        }
    }
}
