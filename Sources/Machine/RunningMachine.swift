internal import Host

/// A machine whose guest runs in a thread of its own.
public final class RunningMachine: Sendable {
    /// The machine.
    public let machine: GuestMachine
    private let thread: HostThread
    private let result: Box

    private final class Box: Sendable {
        let value = Lock<Result<RunReport, MachineError>?>(nil)
    }

    /// Starts the run of `machine`.
    public init(_ machine: GuestMachine, timeout: Duration? = nil) throws(MachineError) {
        let box = Box()
        self.machine = machine
        result = box
        thread = try host(
            try HostThread(name: "machine") {
                let result: Result<RunReport, MachineError>
                do throws(MachineError) {
                    result = .success(try machine.run(timeout: timeout))
                } catch {
                    result = .failure(error)
                }
                box.value.withLock { $0 = result }
            })
    }

    /// Waits for the end of the run, and ends it after `patience`. Can be called once.
    public func report(within patience: Duration = .seconds(60)) throws(MachineError) -> RunReport {
        if !thread.join(within: patience) {
            machine.end(.timeout)
            thread.join()
        }
        guard let result = result.value.withLock({ $0 }) else {
            preconditionFailure("the thread leaves a result before it ends")
        }
        return try result.get()
    }

    /// Whether the run has ended by itself.
    public var hasEnded: Bool {
        result.value.withLock { $0 != nil }
    }
}
