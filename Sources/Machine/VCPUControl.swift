internal import Host
public import KVM
internal import Synchronization

/// The reason why a vCPU stopped by itself.
public enum VCPUStop: Equatable, Sendable {
    /// It has executed one instruction.
    case step
    /// It is about to execute a breakpoint instruction, or an instruction that a debug register watches.
    case breakpoint
    /// It has accessed memory that a debug register watches.
    case watchpoint(GuestDebug.Watch)
    /// It cannot go on. The run ends with this outcome when the vCPU is resumed, unless its registers have been written.
    case fault(Outcome)

    /// The meaning of a debug exit with these settings.
    init(_ exit: DebugExit, _ debug: GuestDebug) {
        let watch = exit.debugRegister.flatMap { debug.watches.indices.contains($0) ? debug.watches[$0] : nil }
        if let watch, watch.access != .execution {
            self = .watchpoint(watch)
        } else {
            self = exit.isStep && watch == nil ? .step : .breakpoint
        }
    }
}

/// Is told when a vCPU stops by itself. It is a structure because Swift wraps a bare function anew whenever a generic lock lends it.
struct StopHandler: Sendable {
    let call: @Sendable () -> Void
}

/// Who holds vCPUs. A vCPU goes on when nobody holds it any more.
public struct VCPUHolders: OptionSet, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// A debugger, or a program that steps vCPUs.
    public static let debugger = VCPUHolders(rawValue: 1)
    /// The machine's user, who stops and continues the guest as a whole.
    public static let user = VCPUHolders(rawValue: 2)
}

/// What other threads ask of a vCPU's thread, and where that thread is.
///
/// A vCPU is *held* when its thread waits outside KVM_RUN and its last access is complete. A thread that was asked to hold its vCPU goes
/// through KVM_RUN once more, which completes the access, and comes back because immediate_exit is set.
struct VCPUControl: Sendable {
    enum Phase {
        case notStarted, running, held, ended
    }

    var phase = Phase.notStarted
    /// Who wants the vCPU to be held.
    var holders: VCPUHolders = []
    var isWanted: Bool { !holders.isEmpty }
    /// Why the vCPU stopped by itself, as long as it is held for that.
    var stop: VCPUStop?
    /// The debug registers, and whether breakpoint instructions stop the vCPU.
    var debug = GuestDebug()
    /// The linear addresses of breakpoint instructions that a debugger has put into guest memory.
    var breakpointInstructions: Set<UInt64> = []
    /// The linear addresses in front of which the vCPU stops because it makes steps until it is there.
    var stepsUntil: Set<UInt64> = []
    /// Whether the vCPU is to stop after one instruction.
    var isStepWanted = false
    /// Whether somebody has written registers since the vCPU stopped by itself.
    var hasNewRegisters = false
    /// The last access to a device or function, and the instruction at which KVM's emulator stopped, once the thread has ended.
    var lastAccess: Exit?
    var unemulated: [UInt8]?
}

extension VCPUControl {
    /// What makes the vCPU exit when it is let go. A step that was asked for is not to end in an interrupt's handler.
    var present: GuestDebug {
        var present = debug
        present.steps = isStepWanted || !stepsUntil.isEmpty
        present.holdsInterrupts = isStepWanted
        return present
    }
}

extension VCPU {
    /// Asks the vCPU's thread to hold the vCPU, and does not wait for it. A debugger's step that is not complete becomes none for the
    /// debugger, and is completed later for others.
    func requestHold(by holders: VCPUHolders) {
        control.withLock { control in
            control.holders.formUnion(holders)
            if holders.contains(.debugger) { control.isStepWanted = false }
            hasRequest.store(true, ordering: .sequentiallyConsistent)
        }
        if isInGuest.load(ordering: .sequentiallyConsistent) { interrupt() }
    }

    /// Waits until the vCPU is held or does not run. Returns false if a device or the reader of the console keeps its thread for longer
    /// than this, or if somebody lets the vCPU go meanwhile.
    func waitUntilHeld(for time: Duration) -> Bool {
        control.wait(for: time) { control in
            control.phase != .running ? true : control.isWanted ? nil : false
        } ?? false
    }

    /// Lets the vCPU go on, unless others hold it.
    func letGo(by holders: VCPUHolders) {
        control.update { letGo(by: holders, &$0) }
    }

    func letGo(by holders: VCPUHolders, _ control: inout VCPUControl) {
        control.holders.subtract(holders)
        if holders.contains(.debugger) {
            control.isStepWanted = false
            control.stop = nil
        }
        hasRequest.store(control.isWanted, ordering: .sequentiallyConsistent)
    }

    /// Records that the vCPU stops by itself. `hold` comes next.
    func stop(for stop: VCPUStop) {
        control.update { control in
            control.holders.formUnion(.debugger)
            hasRequest.store(true, ordering: .sequentiallyConsistent)
            control.stop = stop
            control.hasNewRegisters = false
            control.phase = .held
        }
    }

    /// Holds the vCPU in its own thread as long as that is wanted and the run has not ended. Returns whether its registers have been written
    /// meanwhile.
    func hold(parking: Parking) -> Bool {
        control.update { control in
            if control.isWanted { control.phase = .held }
        }
        return control.wait { control in
            guard !control.isWanted || parking.hasStopped else { return nil }
            control.phase = .running
            return control.hasNewRegisters
        } ?? false
    }
}
