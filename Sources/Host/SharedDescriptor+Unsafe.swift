internal import CHost
internal import Glibc

/// A descriptor that this process has in common with another one or with a device: an eventfd, or a file with memory in it. It is closed
/// after its last use.
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

    /// Connects to a local socket, for another process to use.
    public convenience init(connectedTo path: String) throws(HostError) {
        // SAFETY: the call reads the string, which outlives it.
        self.init(try Descriptor(owning: unsafe chost_connect_local(path), "connect", path))
    }

    /// The number of the descriptor, which is open as long as the value lives.
    @unsafe
    public var number: Int32 { descriptor.number }

    /// Adds one to the count of an eventfd, and wakes those who wait for it.
    public func post() {
        _ = chost_post_event(descriptor.number)
    }

    /// Waits until one of at most three eventfds has a count that is not zero. Returns its place in the list.
    public static func waitForFirst(of events: [SharedDescriptor]) -> Int {
        precondition((1...3).contains(events.count))
        let numbers = events.map { $0.descriptor.number } + [-1, -1]
        while true {
            let ready = chost_wait(numbers[0], numbers[1], numbers[2], -1)
            if ready > 0 { return ready.trailingZeroBitCount }
        }
    }

    /// Whether the descriptor is an eventfd. It is not known to be one where /proc is not mounted.
    public var isEvent: Bool { chost_is_event(descriptor.number) }

    /// Returns the count of an eventfd and sets it to zero.
    public func take() -> UInt64 {
        chost_take_count(descriptor.number)
    }
}

extension ForeignMemory {
    /// Opens a part of the file behind a descriptor.
    ///
    /// - Throws: EINVAL if the part is not of whole pages, or the file ends before the part does.
    public init(_ shared: SharedDescriptor, name: String, offset: UInt64, size: UInt64) throws(HostError) {
        // SAFETY: the descriptor is open as long as `shared` lives.
        try unsafe self.init(descriptor: shared.descriptor.number, name: name, offset: offset, size: size)
    }
}

/// Why bytes did not come or go.
public enum ConnectionError: Error, Hashable, Sendable {
    /// The other side has closed the connection, or is gone.
    case closed
    /// The time was over before.
    case timedOut
    /// The kernel gave another reason (errno).
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

    /// Takes over a connection that another process has made.
    public init(_ shared: SharedDescriptor, name: String) throws(HostError) {
        self.init(try Descriptor(owning: chost_duplicate(shared.descriptor.number), "fcntl F_DUPFD_CLOEXEC", name))
    }

    /// Receives what has come: bytes, none at the end of the connection or nil if none have come yet, and the descriptors beside them.
    public borrowing func receive(
        upTo count: Int, mostDescriptors: Int = 0
    ) -> (bytes: [UInt8]?, descriptors: [SharedDescriptor]) {
        let (bytes, descriptors, result) = receivePart(upTo: count, waits: false, mostDescriptors: mostDescriptors)
        return ([-Int64(EAGAIN), -Int64(EINTR)].contains(result) ? nil : bytes, descriptors)
    }

    /// Receives `count` bytes, and the descriptors that come beside them. Surplus descriptors are closed.
    ///
    /// - Parameters:
    ///   - mostDescriptors: The most descriptors to take.
    ///   - time: The time within which all bytes have to be there, or nil to wait for ever.
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

    /// Receives what is there. The result is the number of bytes, 0 at the end, or an errno with its sign changed.
    private borrowing func receivePart(
        upTo count: Int, waits: Bool, mostDescriptors: Int
    ) -> (bytes: [UInt8], descriptors: [SharedDescriptor], result: Int64) {
        var numbers = [Int32](repeating: -1, count: max(0, mostDescriptors))
        var passed = numbers.count
        var result: Int64 = 0
        // SAFETY: the call fills the buffers from their starts, and says how much of each it has filled.
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

    /// Sends all bytes, and with the first of them descriptors.
    public borrowing func send(
        _ bytes: [UInt8], with descriptors: [SharedDescriptor], within time: Duration
    ) throws(ConnectionError) {
        let deadline = SuspendingClock.now + time
        var numbers = descriptors.map { $0.descriptor.number }
        var rest = bytes[...]
        while !rest.isEmpty {
            // SAFETY: the call reads the arrays, which outlive it. The descriptors are open as long as their values live.
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

    /// Waits until the connection can go on after a call that has failed.
    private borrowing func wait(
        after result: Int64, writable: Bool, until deadline: SuspendingClock.Instant?
    ) throws(ConnectionError) {
        switch Int32(truncatingIfNeeded: -result) {
        case EINTR: return
        case EAGAIN:
            let left = deadline.map { $0 - SuspendingClock.now }
            guard (left ?? .seconds(1)) > .zero else { throw .timedOut }
            let ready = chost_wait_for(number, writable, left?.nanoseconds ?? -1)
            if ready < 0 { throw .failed(-ready) }
        case EPIPE, ECONNRESET: throw .closed
        case let errno: throw .failed(errno)
        }
    }
}
