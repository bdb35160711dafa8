/// A client's session: takes the bytes that the client sends, and returns those to send back (GDB manual, "Remote Serial Protocol").
///
/// The client sees all threads stop whenever one stops. Nothing that it sends can do more than the target allows.
public struct DebugSession<Target: DebugTarget> {
    let target: Target
    private var reader = PacketReader()
    private var acknowledges = true
    private var last: [UInt8] = []
    private var output: [UInt8] = []

    /// The threads that commands refer to, as `H` chose them.
    var generalThread = 0
    var stops: Set<DebugStop> = []
    /// The thread that stopped last, and why.
    var lastStop: (thread: Int, reason: ThreadStop) = (0, .interrupt)
    /// Whether the client waits for a thread to stop.
    public internal(set) var isRunning = false
    /// Whether the session has ended, because the client detached, killed the guest or broke the protocol.
    public internal(set) var hasEnded = false

    /// Begins a session. All threads of the target are stopped.
    public init(target: Target) {
        self.target = target
    }

    /// Takes bytes from the client, and returns the bytes to send.
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
                // Once is enough, however often it was asked.
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

    /// Tells the client that a thread has stopped, and returns the bytes to send. All threads are stopped.
    public mutating func report(_ reason: ThreadStop, of thread: Int) -> [UInt8] {
        if isRunning { stopped(thread, reason) }
        return takeOutput()
    }

    /// Tells the client that the run has ended with a status, and returns the bytes to send.
    public mutating func reportEnd(status: UInt8) -> [UInt8] {
        if isRunning { send("W" + hex(UInt64(status), 2)) }
        hasEnded = true
        return takeOutput()
    }

    private mutating func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

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

    /// An empty packet says that a command is not known.
    mutating func sendUnknown() { send("") }

    mutating func send(isDone: Bool) {
        send(isDone ? "OK" : "E01")
    }

    /// Describes the last stop.
    mutating func sendStop() {
        let (signal, detail): (UInt8, String) =
            switch lastStop.reason {
            case .interrupt: (2, "")
            case .step: (5, "")
            case .breakpoint: (5, nameOfBreakpoint(at: lastStop.thread))
            case .watch(let stop): (5, "\(Self.name(of: stop.kind)):\(hex(stop.address));")
            case .fault(let signal): (signal, "")
            }
        send("T\(hex(UInt64(signal), 2))thread:\(hex(UInt64(lastStop.thread + 1)));\(detail)")
    }

    /// The name of the breakpoint at the instruction pointer. It is empty if the client has none there by its reckoning, which does not add the base
    /// of the code segment: a client that hears of a breakpoint that it does not know goes on without a word.
    private func nameOfBreakpoint(at thread: Int) -> String {
        guard let rip = RegisterLayout.registers.first(where: { $0.name == "rip" }),
            let bytes = target.registers(of: thread)
        else { return "" }
        let address = bytes[rip.range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        let kinds = stops.filter { $0.address == address }.map(\.kind)
        return kinds.contains(.softwareBreakpoint)
            ? "swbreak:;" : kinds.contains(.hardwareBreakpoint) ? "hwbreak:;" : ""
    }

    private static func name(of kind: DebugStop.Kind) -> String {
        switch kind {
        case .writeWatch: "watch"
        case .readWatch: "rwatch"
        case .accessWatch: "awatch"
        case .softwareBreakpoint, .hardwareBreakpoint: "hwbreak"
        }
    }

    /// Stops acknowledging packets, after this one.
    mutating func stopAcknowledging() {
        send("OK")
        acknowledges = false
    }
}

func hex(_ value: UInt64, _ digits: Int = 1) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
