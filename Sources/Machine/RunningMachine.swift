internal import Host
internal import Synchronization

extension GuestMachine {
    /// Starts the run of the guest, in a thread of its own.
    ///
    /// - Throws: `MachineError.hasRun` if the machine has been started or run before.
    public func start(timeout: Duration? = nil) throws(MachineError) -> RunningMachine {
        try RunningMachine(self, timeout: timeout)
    }
}

/// A machine whose guest runs in a thread of its own. It can be paused, changed and stopped by the methods of its machine. If
/// no reference to this value is left, the guest runs on until it ends by itself.
public final class RunningMachine: Sendable {
    /// The machine.
    public let machine: GuestMachine
    private let thread: HostThread
    private let end: End
    private let isJoined = Lock(false)

    /// The result of the run, or nil as long as the run lasts.
    private final class End: Sendable {
        let result = Monitor<Result<RunReport, MachineError>?>(nil)
    }

    fileprivate init(_ machine: GuestMachine, timeout: Duration?) throws(MachineError) {
        guard !machine.hasRun.load(ordering: .acquiring) else { throw .hasRun }
        let end = End()
        self.machine = machine
        self.end = end
        thread = try host(
            try HostThread(name: "machine") {
                let result = Result { () throws(MachineError) in try machine.run(timeout: timeout) }
                end.result.update { $0 = result }
            })
    }

    deinit {
        if !isJoined.withLock({ $0 }) { thread.detach() }
    }

    /// Waits for the end of the run. After `patience`, ends the run.
    ///
    /// - Throws: The reason why the guest could not be run.
    public func report(within patience: Duration = .seconds(60)) throws(MachineError) -> RunReport {
        if end.result.wait(for: patience, until: { $0 }) == nil { machine.end(.timeout) }
        isJoined.withLock { isJoined in
            if !isJoined { thread.join() }
            isJoined = true
        }
        guard let result = end.result.withLock({ $0 }) else {
            preconditionFailure("the thread leaves a result before it ends")
        }
        return try result.get()
    }

    /// Whether the run has ended.
    public var hasEnded: Bool {
        end.result.withLock { $0 != nil }
    }
}
