internal import CHost
internal import Glibc

/// This program, run once more with other arguments, in a process of its own.
public struct ChildProcess: ~Copyable {
    /// What came of a process.
    public struct End: Sendable {
        /// The exit status, or 128 and the number of the signal that ended the process.
        public let status: Int32
        public let time: Duration
        /// Whether the process was ended because its time was over, or because somebody wanted its end.
        public let wasKilled: Bool
        public let output: BoundedBytes
        public let errors: BoundedBytes
        /// What the process wrote to descriptor 3.
        public let report: BoundedBytes
    }

    private let number: Int32
    private let output: Descriptor
    private let errors: Descriptor
    private let report: Descriptor
    private let start = SuspendingClock.now

    /// The time that a process has between SIGTERM and SIGKILL.
    private static let patience = Duration.seconds(1)

    /// Starts the process in a directory. Its standard input is empty. It is killed if the calling thread ends before it.
    public init(arguments: [String], directory: String) throws(HostError) {
        // An argument ends at its first NUL, as those of a shell do.
        let words = arguments.flatMap { $0.utf8.prefix { $0 != 0 }.map(CChar.init(bitPattern:)) + [0] }
        var pipes: [Int32] = [-1, -1, -1]
        // SAFETY: the arrays and the string outlive the call, which finds so many words and writes three descriptors.
        let number = try unsafe check(chost_start(words, arguments.count, directory, &pipes), "fork", "swiftlet")
        let output = try Descriptor(owning: pipes[0], "pipe2", "standard output")
        let errors = try Descriptor(owning: pipes[1], "pipe2", "standard error")
        report = try Descriptor(owning: pipes[2], "pipe2", "the report")
        self.number = number
        self.output = output
        self.errors = errors
    }

    /// Waits for the end of the process and takes what it writes.
    ///
    /// - Parameters:
    ///   - limit: The time after which the process is ended, by SIGTERM and a second later by SIGKILL.
    ///   - isCancelled: Asked ten times a second. The process is ended if it says yes.
    public consuming func finish(within limit: Duration, isCancelled: () -> Bool) -> End {
        let descriptors = [output.number, errors.number, report.number]
        var streams = [BoundedBytes](repeating: BoundedBytes(), count: 3)
        var (open, ending, isKilled) = (Set(0..<3), nil as SuspendingClock.Instant?, false)
        while !open.isEmpty {
            if let since = ending {
                if !isKilled, SuspendingClock.now - since >= Self.patience {
                    chost_signal_process(number, SIGKILL)
                    isKilled = true
                }
            } else if isCancelled() || SuspendingClock.now - start >= limit {
                // It removes its sockets first.
                chost_signal_process(number, SIGTERM)
                ending = .now
            }
            let asked = descriptors.indices.map { open.contains($0) ? descriptors[$0] : -1 }
            let ready = chost_wait(asked[0], asked[1], asked[2], 100_000_000)
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

/// What somebody writes, of which only the beginning and the end are kept if it is long.
public struct BoundedBytes: Sendable {
    private static let (mostAtStart, mostAtEnd) = (1 << 20, 1 << 16)
    /// The number of bytes of which all are kept.
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

    /// All bytes, with a line that stands for those that were not kept.
    public var bytes: [UInt8] {
        head + (dropped == 0 ? [] : Array("\n[\(dropped) bytes are left out here]\n".utf8)) + tail
    }
}
