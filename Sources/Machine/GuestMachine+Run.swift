internal import Host
internal import KVM
internal import Memslots
internal import Synchronization
internal import SystemPackage

extension GuestMachine {
    /// Runs the guest until the guest, the time limit, `stop` or a signal ends the run.
    ///
    /// - Parameter timeout: The time after which the run ends.
    /// - Throws: `MachineError.hasRun` if the machine has been run before: it cannot be run again.
    public func run(timeout: Duration? = nil) throws(MachineError) -> RunReport {
        try run(timeout: timeout, input: nil)
    }

    /// Runs the guest as `run(timeout:)` does.
    ///
    /// - Parameter input: A descriptor with input for the guest's serial port, or nil. It is read once the guest looks for input.
    package func run(timeout: Duration?, input: Int32?) throws(MachineError) -> RunReport {
        guard !hasRun.exchange(true, ordering: .acquiringAndReleasing) else { throw .hasRun }
        let threads: [HostThread]
        do throws(MachineError) {
            try host(try KickSignal.take(layout.configuration.kickSignal ?? KickSignal.usual))
            threads = try startThreads()
        } catch {
            note(.ended(.internalError("\(error)")))
            tellEvents()
            throw error
        }
        let start = SuspendingClock.now
        let deadline = timeout.map { start + $0 }
        waitForEnd(until: deadline, input: input)
        let leftBehind = end(threads)
        // A thread that is left behind may still take a kick.
        if leftBehind.isEmpty { KickSignal.giveBack() }
        endLostFunctions()
        assignedFunctions.forEach { $0.device?.reset() }
        let end = SuspendingClock.now
        // From here on a new signal ends the process, because the output that is left may wait for a reader that is gone.
        events.releaseSignals()
        let run = run.withLock { $0 }
        if leftBehind.isEmpty {
            console.drain { run.outcome?.isOrderly != true }
        }
        let firstRun = run.firstRun ?? end
        if let tracer {
            let left = run.outcome?.isOrderly == true ? deadline.map { max(.zero, $0 - .now) } : Self.patience
            writeRest(of: tracer, since: firstRun, within: left)
        }
        note(.ended(run.outcome ?? .halted))
        tellEvents()
        let table = slots
        return RunReport(
            outcome: run.outcome ?? .halted, unclaimedAccesses: vcpus.reduce(0) { $0 + $1.exits.unclaimedCount },
            slotCount: table.count, slotCapacity: table.capacity, slotLimit: table.limit, refusals: run.refusals,
            losses: run.losses,
            leftBehind: leftBehind, lossOfTrace: tracer?.lossOfLines, lossOfLint: lint?.loss, phases: run.phases,
            firstRun: firstRun,
            duration: end - firstRun,
            vcpus: states(endedBy: run.endedBy), exitsByVCPU: vcpus.map { $0.exits.counts })
    }

    /// Writes the last lines of the trace.
    ///
    /// - Parameter time: The time to wait for a slow reader, or nil to wait as long as it takes.
    private func writeRest(of tracer: Tracer, since firstRun: SuspendingClock.Instant, within time: Duration?) {
        guard let time, let thread = try? HostThread(name: "trace", body: { tracer.write(since: firstRun) }) else {
            tracer.write(since: firstRun)
            return
        }
        if !thread.join(within: time) {
            thread.detach()
            tracer.giveUp(.timedOut)
        }
    }

    private func startThreads() throws(MachineError) -> [HostThread] {
        var threads: [HostThread] = []
        do {
            for vcpu in vcpus {
                threads.append(try HostThread(name: "vcpu\(vcpu.cpu.id)") { self.runVCPU(vcpu) })
            }
        } catch {
            _ = end(threads)
            KickSignal.giveBack()
            throw .host(error)
        }
        return threads
    }

    /// The time that a vCPU may stay in a device after the end of the run.
    private static let patience = Duration.seconds(2)

    /// Calls all vCPUs out of the guest for good, and waits for their threads. A thread that stays in a device is left behind.
    ///
    /// - Returns: The ids of the vCPUs that were left behind.
    private func end(_ threads: [HostThread]) -> [UInt32] {
        parking.stop(vcpus)
        var leftBehind: [UInt32] = []
        let deadline = SuspendingClock.now + Self.patience
        for (thread, vcpu) in zip(threads, vcpus) {
            // A kick is lost if it comes just before a thread begins to wait for something else, such as room in a pipe. So it
            // is repeated.
            while !thread.join(within: .milliseconds(20)) {
                vcpu.interrupt()
                guard vcpu.isInDevice.load(ordering: .acquiring), SuspendingClock.now > deadline else { continue }
                leftBehind.append(vcpu.cpu.id)
                thread.detach()
                break
            }
        }
        return leftBehind
    }

    /// Waits for the end of the run. Meanwhile, handles the time limit, signals and input for the guest.
    private func waitForEnd(until deadline: SuspendingClock.Instant?, input: Int32?) {
        var watch = HaltWatch(machine: self)
        while run.withLock({ $0.outcome == nil }) {
            tellEvents()
            receiveSent()
            do throws(HostError) {
                let isWatched = input != nil && wantsInput.load(ordering: .acquiring)
                // The wait takes at most a second, in case the call of another thread was lost.
                let next = [deadline, watch.next, .now + .seconds(1)].compactMap { $0 }.min()
                switch try events.wait(input: isWatched ? input : nil, until: next) {
                case .signal(let signal): end(.interrupted(signal))
                case .deadline:
                    if let deadline, deadline <= .now {
                        end(.timeout)
                    } else if watch.isDue, watch.check() {
                        end(.haltedForGood)
                    }
                case .posted: break
                case .input:
                    guard let input, let bytes = FileBytes.read(upTo: 256, from: input) else { continue }
                    receive(bytes)
                }
            } catch {
                end(.internalError("\(error)"))
            }
        }
    }

    /// Ends the run with an outcome, unless it has been ended already.
    func end(_ outcome: Outcome, by vcpu: VCPU? = nil) {
        run.withLock { run in
            guard run.outcome == nil else { return }
            run.outcome = outcome
            run.endedBy = vcpu?.cpu.id
        }
        parking.requestStop()
        events.post()
    }

    /// Ends the run. It can be called from any thread.
    public func stop() {
        end(.stopped)
    }
}
