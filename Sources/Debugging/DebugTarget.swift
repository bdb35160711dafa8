/// The machine, as a debugger sees it. Threads are vCPUs, numbered from 0.
///
/// A session calls the target from one thread at a time. While vCPUs run, registers and memory are not available.
public protocol DebugTarget: AnyObject {
    /// The number of threads.
    var threadCount: Int { get }
    /// Returns a line for the user that says what a thread does.
    func summary(of thread: Int) -> String

    /// Returns all registers in the order of `RegisterLayout`, or nil if they cannot be read.
    func registers(of thread: Int) -> [UInt8]?
    /// Writes all registers, in the order of `RegisterLayout`. Returns false if they cannot be written.
    func setRegisters(_ bytes: [UInt8], of thread: Int) -> Bool
    /// Returns the bytes from a linear address on, up to the first byte that cannot be read.
    func read(count: Int, at address: UInt64, on thread: Int) -> [UInt8]
    /// Writes bytes to a linear address. Returns false if not all of them can be written.
    func write(_ bytes: [UInt8], at address: UInt64, on thread: Int) -> Bool

    /// Whether debug registers can watch memory.
    var canWatch: Bool { get }
    /// Whether debug registers can stop a thread at an instruction.
    var canBreak: Bool { get }
    /// Lets threads step or go on, with the breakpoints of `plan`. A thread without an action stays stopped.
    func resume(_ actions: [Int: ThreadAction], plan: StopPlan)
    /// Stops all threads, and removes breakpoint instructions from memory.
    func pause()
    /// Ends the run.
    func kill()
    /// Lets all threads go on, without breakpoints.
    func release()
    /// Returns the answer to a command that the user gives to the monitor, or nil if there is no such command.
    func answer(to command: String) -> String?
    /// The names of the commands that `answer` knows, for the user.
    var commands: String { get }
}

/// What a thread does when it is resumed.
public enum ThreadAction: Equatable, Sendable {
    /// The thread makes one step, or runs until it stops.
    case step, go
}

/// A breakpoint or watchpoint of the client.
public struct StopPoint: Hashable, Sendable {
    /// The kind of a breakpoint or watchpoint, by its number in the protocol's `Z` packet.
    public enum Kind: UInt8, Sendable {
        /// A breakpoint, by an instruction in memory or by a debug register.
        case softwareBreakpoint, hardwareBreakpoint
        /// A watchpoint for writes, for reads, or for both.
        case writeWatch, readWatch, accessWatch
    }

    /// The kind.
    public var kind: Kind
    /// The linear address of the instruction or of the memory.
    public var address: UInt64
    /// The number of bytes that a watchpoint watches. It is 1 for a breakpoint.
    public var size: UInt64

    /// Creates a breakpoint or watchpoint.
    public init(kind: Kind, address: UInt64, size: UInt64) {
        self.kind = kind
        self.address = address
        self.size = size
    }
}

/// The means by which breakpoints and watchpoints are carried out. Debug registers are used first. The breakpoints for which no
/// register is left become breakpoint instructions in memory. So memory is not changed as long as there are few breakpoints. If
/// debug registers cannot stop at instructions, threads are stepped until they reach a breakpoint.
public struct StopPlan: Equatable, Sendable {
    /// The breakpoints and watchpoints in debug registers, at most four.
    public private(set) var registers: [StopPoint] = []
    /// The addresses at which memory gets a breakpoint instruction.
    public private(set) var instructions: [UInt64] = []
    /// The addresses of breakpoints before which a thread stops while it is stepped.
    public private(set) var stepsUntil: [UInt64] = []

    /// The number of debug registers that hold addresses.
    public static let registerCount = 4

    /// Creates a plan without breakpoints.
    public init() {}

    /// Plans breakpoints and watchpoints. Returns nil if more than four of them need a debug register.
    init?(_ stops: some Sequence<StopPoint>, canBreak: Bool) {
        var addresses: [UInt64] = []
        for stop in stops.sorted(by: { ($0.address, $0.kind.rawValue) < ($1.address, $1.kind.rawValue) }) {
            switch stop.kind {
            case .softwareBreakpoint: addresses.append(stop.address)
            case .hardwareBreakpoint: if canBreak { registers.append(stop) } else { addresses.append(stop.address) }
            case .writeWatch, .readWatch, .accessWatch: registers.append(stop)
            }
        }
        let free = Self.registerCount - registers.count
        guard free >= 0 else { return nil }
        guard canBreak else {
            stepsUntil = addresses
            return
        }
        registers += addresses.prefix(free).map { StopPoint(kind: .hardwareBreakpoint, address: $0, size: 1) }
        instructions = Array(addresses.dropFirst(free))
    }
}

/// The reason why a thread stopped.
public enum ThreadStop: Equatable, Sendable {
    /// The debugger asked for the stop.
    case interrupt
    /// The thread has made a step, or met a breakpoint.
    case step, breakpoint
    /// The thread accessed memory that a watchpoint watches.
    case watch(StopPoint)
    /// The guest cannot go on. The number is a signal as GDB numbers them.
    case fault(signal: UInt8)

    /// A fault that the client reports as SIGILL.
    public static let illegalInstruction = ThreadStop.fault(signal: 4)
    /// A fault that the client reports as SIGABRT.
    public static let failure = ThreadStop.fault(signal: 6)
    /// A fault that the client reports as SIGSEGV.
    public static let segmentation = ThreadStop.fault(signal: 11)
}
