/// A connection on which both sides send lines of text.
public struct LineConnection: ~Copyable, Sendable {
    /// A received line.
    public struct Line: Sendable {
        /// The bytes of the line, without the end of the line.
        public let bytes: [UInt8]
        /// The descriptors that came while the line was received.
        public let descriptors: [SharedDescriptor]
    }

    private let connection: Connection
    private let longest: Int
    private var bytes: [UInt8] = []
    /// The number of received bytes that are known to contain no end of a line.
    private var searched = 0
    private var descriptors: [SharedDescriptor] = []

    /// The largest number of descriptors that can come with one line.
    private static let mostDescriptors = 1

    /// Takes ownership of a connection.
    ///
    /// - Parameter longest: The most bytes that a received line may have.
    public init(_ connection: consuming Connection, longest: Int) {
        self.connection = connection
        self.longest = longest
    }

    /// Sends a line. Returns false if the other side is gone, or has not taken all of the line within `time`.
    ///
    /// - Parameters:
    ///   - line: The bytes of the line, with the end of the line.
    ///   - shared: Descriptors to send along with the first bytes.
    public borrowing func send(_ line: [UInt8], with shared: [SharedDescriptor] = [], within time: Duration) -> Bool {
        (try? connection.send(line, with: shared, within: time)) != nil
    }

    /// Receives the next line.
    ///
    /// - Parameters:
    ///   - time: The time within which the line must begin, or nil to wait for ever.
    ///   - lineTime: The time for the whole line, from its first byte on.
    ///   - first: An eventfd, or nil. When it is posted, the method throws `closed`.
    ///   - second: Another such eventfd, or nil.
    public mutating func next(
        within time: Duration?, whole lineTime: Duration, unless first: SharedDescriptor? = nil,
        _ second: SharedDescriptor? = nil
    ) throws(LineError) -> Line {
        var deadline = (bytes.isEmpty ? time : lineTime).map { SuspendingClock.now + $0 }
        while true {
            if let line = takeLine() { return line }
            guard bytes.count <= longest else { throw .tooLong(longest) }
            let left = deadline.map { $0 - SuspendingClock.now }
            guard left.map({ $0 > .zero }) ?? true else { throw .late }
            guard let ready = try? connection.wait(or: first, second, within: left),
                !ready.isFirstReady, !ready.isSecondReady
            else { throw .closed }
            guard ready.hasInput else { continue }
            let part = connection.receive(upTo: 1 << 16, mostDescriptors: Self.mostDescriptors - descriptors.count)
            descriptors += part.descriptors
            guard let new = part.bytes else { continue }
            guard !new.isEmpty else { throw .closed }
            if bytes.isEmpty { deadline = .now + lineTime }
            bytes += new
        }
    }

    /// Takes the first line out of the received bytes, or returns nil if they contain no end of a line.
    private mutating func takeLine() -> Line? {
        guard let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")), end <= longest else {
            searched = bytes.count
            return nil
        }
        defer {
            bytes.removeFirst(end + 1)
            (searched, descriptors) = (0, [])
        }
        return Line(bytes: Array(bytes[..<end]), descriptors: descriptors)
    }
}

/// The reason why no line came.
public enum LineError: Error, Hashable, Sendable {
    /// The other side has closed the connection, or is gone.
    case closed
    /// The line did not come in time.
    case late
    /// The line has more than this number of bytes.
    case tooLong(Int)
    /// The server already has this number of clients, and all of them wait for an answer.
    case tooManyClients(Int)
}

extension LineError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .closed: "the connection was closed"
        case .late: "the end of the line did not come in time"
        case .tooLong(let longest): "a line of more than \(longest) bytes"
        case .tooManyClients(let most): "there are \(most) clients already, and each waits for an answer"
        }
    }
}
