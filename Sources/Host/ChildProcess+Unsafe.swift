internal import CHost
internal import Glibc
internal import SystemPackage

/// A process that runs this program again, with other arguments.
public struct ChildProcess: ~Copyable {
    /// What a process left behind when it ended.
    public struct End: Sendable {
        /// The exit status. If a signal ended the process, it is 128 plus the number of the signal.
        public let status: Int32
        /// The time from the start of the process to its end.
        public let time: Duration
        /// Whether the process was told to end by a signal, because its time was over or because the caller cancelled it.
        public let wasKilled: Bool
        /// What the process wrote to standard output.
        public let output: BoundedBytes
        /// What the process wrote to standard error.
        public let errors: BoundedBytes
        /// What the process wrote to descriptor 3.
        public let report: BoundedBytes
    }

    private let number: Int32
    private let output: Descriptor
    private let errors: Descriptor
    private let report: Descriptor
    private let start = SuspendingClock.now

    /// The time between SIGTERM and SIGKILL, in which a process can end by itself.
    private static let patience = Duration.seconds(1)

    /// Starts the process in a directory. Its standard input is empty. The process is killed if the thread that called this
    /// initialiser ends first.
    public init(arguments: [String], directory: String) throws(HostError) {
        // The kernel would end an argument at its first NUL, and another program would run than was asked for.
        if arguments.contains(where: { $0.utf8.contains(0) }) {
            throw HostError(call: "execv", subject: "an argument with a NUL in it", errno: .invalidArgument)
        }
        let words: [CChar] = arguments.flatMap { $0.utf8.map(CChar.init(bitPattern:)) + [0] }
        var pipes: [Int32] = [-1, -1, -1]
        // SAFETY: the arrays and the string outlive the call, which reads as many arguments as it is told and writes three
        // descriptors.
        let number = try unsafe check(chost_start(words, arguments.count, directory, &pipes), "fork", "swiftlet")
        let output = try Descriptor(owning: pipes[0], "pipe2", "standard output")
        let errors = try Descriptor(owning: pipes[1], "pipe2", "standard error")
        report = try Descriptor(owning: pipes[2], "pipe2", "the report")
        self.number = number
        self.output = output
        self.errors = errors
    }

    /// Waits for the end of the process, and collects what the process writes.
    ///
    /// - Parameters:
    ///   - limit: The time after which the process gets SIGTERM, and a second later SIGKILL.
    ///   - isCancelled: Returns whether to end the process in this way before the limit. The function is called ten times a second.
    public consuming func finish(within limit: Duration, isCancelled: () -> Bool) -> End {
        let descriptors = [output.number, errors.number, report.number]
        var streams = [BoundedBytes](repeating: BoundedBytes(), count: 3)
        var (open, ending, isKilled) = (Set(0..<3), nil as SuspendingClock.Instant?, false)
        while !open.isEmpty {
            if let since = ending {
                if !isKilled, SuspendingClock.now - since >= Self.patience {
                    kill(number, SIGKILL)
                    isKilled = true
                }
            } else if isCancelled() || SuspendingClock.now - start >= limit {
                // SIGTERM lets the process remove its sockets.
                kill(number, SIGTERM)
                ending = .now
            }
            let asked = descriptors.indices.map { open.contains($0) ? descriptors[$0] : -1 }
            let ready = chost_wait_for_input(asked[0], asked[1], asked[2], 100_000_000)
            for index in open where ready > 0 && ready & 1 << Int32(index) != 0 {
                guard let bytes = FileBytes.read(upTo: 1 << 16, from: descriptors[index]) else { continue }
                if bytes.isEmpty { open.remove(index) } else { streams[index].append(bytes) }
            }
        }
        return End(
            status: chost_await(number), time: .now - start, wasKilled: ending != nil, output: streams[0],
            errors: streams[1],
            report: streams[2])
    }
}

/// The bytes of a stream. Of a long stream only the beginning and the end are kept.
public struct BoundedBytes: Sendable {
    private static let (mostAtStart, mostAtEnd) = (1 << 20, 1 << 16)
    /// The length up to which a stream is kept whole.
    public static let most = mostAtStart + mostAtEnd

    private var head: [UInt8] = []
    private var tail: [UInt8] = []
    private var dropped = 0

    mutating func append(_ bytes: [UInt8]) {
        let room = Self.mostAtStart - head.count
        head += bytes.prefix(room)
        tail += bytes.dropFirst(room)
        if tail.count > 2 * Self.mostAtEnd {
            dropped += tail.count - Self.mostAtEnd
            tail.removeFirst(tail.count - Self.mostAtEnd)
        }
    }

    /// Whether all bytes were kept.
    public var isWhole: Bool { dropped == 0 }

    /// All bytes that were kept. If bytes were left out, a line in their place says how many.
    public var bytes: [UInt8] {
        head + (dropped == 0 ? [] : Array("\n[\(dropped) bytes are left out here]\n".utf8)) + tail
    }
}
