internal import Host
public import Machine

/// What a guest prints, as an asynchronous sequence of arrays with at least one byte each. It ends with the guest's run, or with a
/// machine that is not run.
///
///     let console = GuestConsole()
///     let machine = try GuestMachine(GuestImage(contentsOf: "hello.elf"), console: console)
///     let running = try machine.start()
///     for await bytes in console.output { print(String(decoding: bytes, as: UTF8.self), terminator: "") }
///     print(try await running.waitForEnd().outcome)
public struct GuestConsole: Sendable {
    /// The bytes that the guest prints until the end of its run. One task reads them.
    public let output: AsyncStream<[UInt8]>
    fileprivate let continuation: AsyncStream<[UInt8]>.Continuation

    /// Creates a console for one machine.
    public init() {
        (output, continuation) = AsyncStream.makeStream()
    }

    /// Returns everything that the guest prints until the end of its run.
    public func text() async -> String {
        var bytes: [UInt8] = []
        for await piece in output { bytes += piece }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension GuestMachine {
    /// Makes a machine with a guest whose console output a program reads as an asynchronous sequence. Output that nobody reads
    /// stays in memory.
    ///
    /// - Parameters:
    ///   - configuration: The parts of the machine, or nil for those that suit the image (`MachineConfiguration.init(for:)`).
    ///   - console: The console on which the guest prints.
    public convenience init(
        _ guest: GuestImage, _ configuration: MachineConfiguration? = nil, console: GuestConsole
    ) throws(MachineError) {
        let end = StreamEnd(console.continuation)
        try self.init(guest, configuration) { bytes, _ in end.continuation.yield(bytes) }
        onEvent { event in
            if case .ended = event { end.continuation.finish() }
        }
    }

    /// The events of the machine from now on, until the end of its run. Each access makes a stream of its own.
    public var eventStream: AsyncStream<MachineEvent> {
        let (stream, continuation) = AsyncStream.makeStream(of: MachineEvent.self)
        let end = StreamEnd(continuation)
        onEvent { event in
            end.continuation.yield(event)
            if case .ended = event { end.continuation.finish() }
        }
        return stream
    }
}

/// The writing end of a stream. It finishes the stream when the machine that holds it is gone, or could not be made.
private final class StreamEnd<Element: Sendable>: Sendable {
    let continuation: AsyncStream<Element>.Continuation

    init(_ continuation: AsyncStream<Element>.Continuation) { self.continuation = continuation }

    deinit { continuation.finish() }
}

extension RunningMachine {
    /// Waits for the end of the run. If the task is cancelled, the run is stopped.
    ///
    /// - Throws: The reason why the guest could not be run.
    public func waitForEnd() async throws(MachineError) -> RunReport {
        let result: Result<RunReport, MachineError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Tasks share a few threads, which must not be blocked. So a thread of its own waits for the report.
                let wait: @Sendable () -> Void = { continuation.resume(returning: self.result()) }
                if (try? HostThread(name: "report", body: wait))?.detach() == nil { wait() }
            }
        } onCancel: {
            machine.stop()
        }
        return try result.get()
    }

    private func result() -> Result<RunReport, MachineError> {
        Result { () throws(MachineError) in try report(within: .seconds(1 << 40)) }
    }
}
