/// A session with a debugger: it takes the bytes that the client sends, and returns the bytes to send back (GDB manual, "Remote
/// Serial Protocol").
///
/// The protocol stops all threads when one thread stops. Whatever the client sends, it can do no more than the target allows.
public struct DebugSession<Target: DebugTarget> {
    let target: Target
    private var reader = PacketReader()
    private var acknowledges = true
    /// The last packet that was sent.
    private var last: [UInt8] = []
    /// The bytes that are still to be returned to the caller.
    private var output: [UInt8] = []

    /// The thread to which commands refer. The client chooses it by `H`, and each stop sets it.
    var generalThread = 0
    /// The breakpoints and watchpoints that the client has inserted.
    var stops: Set<StopPoint> = []
    /// The thread that stopped last, and the reason why.
    var lastStop: (thread: Int, reason: ThreadStop) = (0, .interrupt)
    /// Whether threads run and the client waits for one of them to stop.
    public internal(set) var isRunning = false
    /// Whether the session has ended, because the client detached, killed the guest or broke the protocol.
    public internal(set) var hasEnded = false

    /// Starts a session. All threads of the target must be stopped.
    public init(target: Target) {
        self.target = target
    }

    /// Takes bytes from the client. Returns the bytes to send.
    public mutating func receive(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var hasRepeated = false
        for input in reader.receive(bytes) where !hasEnded {
            switch input {
            case .packet(let data):
                if acknowledges { output.append(UInt8(ascii: "+")) }
                handle(data)
            case .damagedPacket:
                if acknowledges { output.append(UInt8(ascii: "-")) }
            case .repeatRequest:
                // The last packet is repeated once, however many requests for it are in these bytes.
                if acknowledges, !hasRepeated { output += last }
                hasRepeated = true
            case .interrupt:
                if isRunning {
                    target.pause()
                    stopped(0, .interrupt)
                }
            }
        }
        if reader.isOverfull { hasEnded = true }
        return takeOutput()
    }

    /// Tells the client that a thread has stopped. All threads must be stopped. Returns the bytes to send.
    public mutating func report(_ reason: ThreadStop, of thread: Int) -> [UInt8] {
        if isRunning { stopped(thread, reason) }
        return takeOutput()
    }

    /// Tells the client that the run has ended with a status. Returns the bytes to send.
    public mutating func reportEnd(status: UInt8) -> [UInt8] {
        if isRunning { send(Array("W".utf8) + [status].hexadecimal) }
        hasEnded = true
        return takeOutput()
    }

    private mutating func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    /// Notes that all threads are stopped, and tells the client of the thread that stopped.
    private mutating func stopped(_ thread: Int, _ reason: ThreadStop) {
        isRunning = false
        generalThread = thread
        lastStop = (thread, reason)
        sendStop()
    }

    // MARK: Replies

    mutating func send(_ data: [UInt8]) {
        last = Packet.encoded(data)
        output += last
    }

    mutating func send(_ text: String) {
        send(Array(text.utf8))
    }

    /// Sends an empty packet, which says that a command is not known.
    mutating func sendUnknown() { send("") }

    /// Sends OK, or an error.
    mutating func send(isDone: Bool) {
        send(isDone ? "OK" : "E01")
    }

    /// Sends the description of the last stop.
    mutating func sendStop() {
        let (signal, detail): (UInt8, String) =
            switch lastStop.reason {
            case .interrupt: (2, "")
            case .step: (5, "")
            case .breakpoint: (5, nameOfBreakpoint(at: lastStop.thread))
            case .watch(let stop): (5, "\(Self.name(of: stop.kind)):\(String(stop.address, radix: 16));")
            case .fault(let signal): (signal, "")
            }
        let thread = String(lastStop.thread + 1, radix: 16)
        send(Array("T".utf8) + [signal].hexadecimal + Array("thread:\(thread);\(detail)".utf8))
    }

    /// Returns the name of the client's breakpoint at the instruction pointer, or an empty text if the client knows no breakpoint
    /// there. The client compares `rip` with its breakpoints and ignores the base of the code segment. If the client is told of a
    /// breakpoint that it does not know, it lets the guest go on and says nothing.
    private func nameOfBreakpoint(at thread: Int) -> String {
        guard let rip = RegisterLayout.registers.first(where: { $0.name == "rip" }),
            let bytes = target.registers(of: thread)
        else { return "" }
        let address = bytes[rip.range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        let kinds = stops.filter { $0.address == address }.map(\.kind)
        return kinds.contains(.softwareBreakpoint)
            ? "swbreak:;" : kinds.contains(.hardwareBreakpoint) ? "hwbreak:;" : ""
    }

    private static func name(of kind: StopPoint.Kind) -> String {
        switch kind {
        case .writeWatch: "watch"
        case .readWatch: "rwatch"
        case .accessWatch: "awatch"
        case .softwareBreakpoint, .hardwareBreakpoint: "hwbreak"
        }
    }

    /// Confirms this packet with OK, and acknowledges no packet from then on.
    mutating func stopAcknowledging() {
        send("OK")
        acknowledges = false
    }
}
