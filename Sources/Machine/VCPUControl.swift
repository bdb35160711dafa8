internal import Host
public import KVM
internal import Synchronization

/// The reason why a vCPU stopped by itself.
public enum VCPUStop: Equatable, Sendable {
    /// The vCPU has executed one instruction.
    case step
    /// The vCPU is about to execute a breakpoint instruction, or an instruction that a debug register watches.
    case breakpoint
    /// The vCPU has accessed memory that a debug register watches.
    case watchpoint(GuestDebug.Watch)
    /// The vCPU cannot go on. The run ends with this outcome when the vCPU is resumed, unless its registers have been written.
    case fault(Outcome)

    /// Creates the reason for a stop from a debug exit, and from the settings with which the vCPU ran.
    init(_ exit: DebugExit, _ debug: GuestDebug) {
        let watch = exit.debugRegister.flatMap { debug.watches.indices.contains($0) ? debug.watches[$0] : nil }
        if let watch, watch.access != .execution {
            self = .watchpoint(watch)
        } else {
            self = exit.isStep && watch == nil ? .step : .breakpoint
        }
    }
}

/// A closure that is told when a vCPU stops by itself. It is in a structure because Swift wraps a bare closure anew whenever a
/// generic lock lends it.
struct StopHandler: Sendable {
    let call: @Sendable () -> Void
}

/// The holders of a vCPU. A vCPU goes on when it has no holders any more.
public struct VCPUHolders: OptionSet, Sendable {
    /// The bits of the holders.
    public let rawValue: UInt8

    /// Creates a set of holders from bits.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// A debugger, or a program that steps vCPUs.
    public static let debugger = VCPUHolders(rawValue: 1)
    /// The machine's user, who stops and continues the guest as a whole.
    public static let user = VCPUHolders(rawValue: 2)
}

/// The requests of other threads to a vCPU's thread, and what that thread is doing.
///
/// A vCPU is *held* when its thread waits outside KVM_RUN and its last access is complete. A thread that was asked to hold its
/// vCPU goes through KVM_RUN once more. KVM_RUN completes the access, and returns because immediate_exit is set.
struct VCPUControl: Sendable {
    enum ThreadState {
        case notStarted, running, held, ended
    }

    var threadState = ThreadState.notStarted
    /// The holders that want the vCPU to be held.
    var holders: VCPUHolders = []
    var isHoldWanted: Bool { !holders.isEmpty }
    /// The reason why the vCPU stopped by itself, as long as it is held for that.
    var stop: VCPUStop?
    /// The debug registers, and whether breakpoint instructions stop the vCPU.
    var debug = GuestDebug()
    /// The linear addresses of breakpoint instructions that a debugger has put into guest memory.
    var breakpointInstructions: Set<UInt64> = []
    /// The linear addresses in front of which the vCPU stops. It steps one instruction at a time until it is there.
    var stepsUntil: Set<UInt64> = []
    /// Whether the vCPU is to stop after one instruction.
    var isStepWanted = false
    /// Whether somebody has written registers since the vCPU stopped by itself.
    var hasNewRegisters = false
    /// The last exit for an access, once the thread has ended.
    var lastAccess: Exit?
    /// The instruction at which KVM's emulator stopped, once the thread has ended.
    var unemulated: [UInt8]?
}

extension VCPUControl {
    /// The debug settings with which the vCPU enters the guest. Interrupts are held back during a step that was asked for, so
    /// that it does not end in an interrupt's handler.
    var debugSettings: GuestDebug {
        var present = debug
        present.steps = isStepWanted || !stepsUntil.isEmpty
        present.holdsInterrupts = isStepWanted
        return present
    }
}

extension VCPU {
    /// Asks the vCPU's thread to hold the vCPU, and does not wait for it. If the debugger asks, its step that is not complete
    /// is given up. If others ask, the step is completed later.
    func requestHold(by holders: VCPUHolders) {
        control.withLock { control in
            control.holders.formUnion(holders)
            if holders.contains(.debugger) { control.isStepWanted = false }
            hasRequest.store(true, ordering: .sequentiallyConsistent)
        }
        if isInGuest.load(ordering: .sequentiallyConsistent) { interrupt() }
    }

    /// Waits until the vCPU is held or does not run.
    ///
    /// - Returns: False if a device or the reader of the console keeps the vCPU's thread for longer than `time`, or if the vCPU
    ///   is let go meanwhile.
    func waitUntilHeld(for time: Duration) -> Bool {
        control.wait(for: time) { control in
            control.threadState != .running ? true : control.isHoldWanted ? nil : false
        } ?? false
    }

    /// Lets the vCPU go on, unless other holders hold it.
    func letGo(by holders: VCPUHolders) {
        control.update { letGo(by: holders, &$0) }
    }

    func letGo(by holders: VCPUHolders, _ control: inout VCPUControl) {
        control.holders.subtract(holders)
        if holders.contains(.debugger) {
            control.isStepWanted = false
            control.stop = nil
        }
        hasRequest.store(control.isHoldWanted, ordering: .sequentiallyConsistent)
    }

    /// Records that the vCPU stops by itself. The caller calls `hold` next.
    func stop(for stop: VCPUStop) {
        control.update { control in
            control.holders.formUnion(.debugger)
            hasRequest.store(true, ordering: .sequentiallyConsistent)
            control.stop = stop
            control.hasNewRegisters = false
            control.threadState = .held
        }
    }

    /// Holds the vCPU, in its own thread, as long as it has holders and the run has not ended. Returns whether its registers
    /// have been written meanwhile.
    func hold(parking: Parking) -> Bool {
        control.update { control in
            if control.isHoldWanted { control.threadState = .held }
        }
        return control.wait { control in
            guard !control.isHoldWanted || parking.hasStopped else { return nil }
            control.threadState = .running
            return control.hasNewRegisters
        } ?? false
    }
}
