/// What a debugger can do with a machine. Threads are vCPUs, numbered from 0.
///
/// The session calls it from one thread at a time. While vCPUs run, registers and memory cannot be had.
public protocol DebugTarget: AnyObject {
    var threadCount: Int { get }
    /// What a thread does, for people.
    func summary(of thread: Int) -> String

    /// Returns all registers as `RegisterLayout` has them, or nil if they cannot be read.
    func registers(of thread: Int) -> [UInt8]?
    /// Writes all registers. Returns false if they cannot be written.
    func setRegisters(_ bytes: [UInt8], of thread: Int) -> Bool
    /// Returns the bytes at a linear address, up to the first that cannot be read.
    func read(count: Int, at address: UInt64, on thread: Int) -> [UInt8]
    /// Writes bytes to a linear address. Returns false if not all can be written.
    func write(_ bytes: [UInt8], at address: UInt64, on thread: Int) -> Bool

    /// Whether debug registers can watch memory.
    var canWatch: Bool { get }
    /// Whether debug registers can watch instructions.
    var canBreak: Bool { get }
    /// Lets threads step or go on, and keeps the others. The breakpoints are those of `plan`.
    func resume(_ actions: [Int: ThreadAction], plan: StopPlan)
    /// Stops all threads, and takes breakpoints out of memory.
    func pause()
    /// Ends the run.
    func kill()
    /// Lets all threads go on, without breakpoints.
    func release()
    /// Returns the answer to a command of the user, or nil if there is no such command.
    func answer(to command: String) -> String?
    /// The commands that `answer` knows, for people.
    var commands: String { get }
}

/// What a thread does when the machine goes on.
public enum ThreadAction: Equatable, Sendable {
    case step, go
}

/// A breakpoint or watchpoint.
public struct DebugStop: Hashable, Sendable {
    public enum Kind: UInt8, Sendable {
        case softwareBreakpoint, hardwareBreakpoint, writeWatch, readWatch, accessWatch
    }

    public var kind: Kind
    /// A linear address.
    public var address: UInt64
    /// In bytes, for watchpoints.
    public var size: UInt64

    public init(kind: Kind, address: UInt64, size: UInt64) {
        self.kind = kind
        self.address = address
        self.size = size
    }
}

/// How breakpoints and watchpoints are carried out: debug registers first, and breakpoint instructions in memory for the breakpoints that are
/// left. So memory stays as it is as long as there are few. Where debug registers watch no instructions, threads step until they are there.
public struct StopPlan: Equatable, Sendable {
    /// At most four.
    public private(set) var registers: [DebugStop] = []
    /// The addresses of breakpoint instructions.
    public private(set) var instructions: [UInt64] = []
    /// The addresses in front of which threads stop that make steps.
    public private(set) var stepsUntil: [UInt64] = []

    public static let registerCount = 4

    /// A plan without breakpoints.
    public init() {}

    /// Plans the stops, or returns nil if there are more than four that need a debug register.
    init?(_ stops: some Sequence<DebugStop>, canBreak: Bool) {
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
        registers += addresses.prefix(free).map { DebugStop(kind: .hardwareBreakpoint, address: $0, size: 1) }
        instructions = Array(addresses.dropFirst(free))
    }
}

/// Why a thread stopped.
public enum ThreadStop: Equatable, Sendable {
    /// The debugger asked for it.
    case interrupt
    case step, breakpoint
    /// The linear address of a watchpoint.
    case watch(DebugStop)
    /// The guest cannot go on. The number is a signal of GDB's.
    case fault(signal: UInt8)

    /// SIGILL, SIGABRT and SIGSEGV.
    public static let illegalInstruction = ThreadStop.fault(signal: 4)
    public static let failure = ThreadStop.fault(signal: 6)
    public static let segmentation = ThreadStop.fault(signal: 11)
}
