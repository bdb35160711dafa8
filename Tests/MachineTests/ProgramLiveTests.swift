import Images
import LiveSupport
import Memslots
import PCI
import Synchronization
import Testing

@testable import Machine

@Suite("A machine in a program", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ProgramLiveTests {
    /// Prints what comes from the console until the end of the input, as the built-in guest does.
    private func echo(_ output: TinyGuest.Output) throws -> GuestMachine {
        let guest = try #require(BuiltInGuest.named("echo"))
        return try GuestMachine(GuestImage(guest.image), guest.configuration, consoleOutput: output.append)
    }

    @Test("bytes that are sent reach the guest, in their order, however many come at once")
    func sends() throws {
        let output = TinyGuest.Output()
        let machine = try echo(output)
        let running = try machine.start(timeout: .seconds(60))
        let text = (0..<2000).map { UInt8(ascii: "a") + UInt8($0 % 26) }
        machine.send(Array(text[..<1]))
        machine.send(Array(text[1..<1500]))
        machine.send([])
        machine.send(Array(text[1500...]))
        machine.endInput()
        #expect(try running.report().outcome == .exited(0))
        #expect(output.bytes.filter { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }.starts(with: text))
        #expect(running.hasEnded)
    }

    @Test("a machine runs once, and its report can be asked for twice")
    func runsOnce() throws {
        let guest = try #require(BuiltInGuest.named("hello"))
        let machine = try GuestMachine(GuestImage(guest.image), guest.configuration)
        let running = try machine.start()
        #expect(try running.report().outcome == .exited(0))
        #expect(try running.report().outcome == .exited(0))
        #expect { try machine.start() } throws: { "\($0)".contains("runs once") }
        #expect { try machine.run() } throws: { "\($0)".contains("runs once") }
    }

    @Test("events come in their order, and the end comes last")
    func events() throws {
        // mov al, 3; out 0xe0, al; mov al, 4; out 0xe0, al; out 0xe0, al; mov al, 9; out 0xf4, al
        let code: [UInt8] = [0xb0, 3, 0xe6, 0xe0, 0xb0, 4, 0xe6, 0xe0, 0xe6, 0xe0, 0xb0, 9, 0xe6, 0xf4]
        let machine = try GuestMachine(GuestImage(code))
        let words = Mutex<[String]>([])
        for _ in 0..<2 {
            machine.onEvent { event in
                words.withLock { words in
                    switch event {
                    case .phase(let mark): words.append("phase \(mark.phase)")
                    case .ended(let outcome): words.append("\(outcome)")
                    default: words.append("\(event)")
                    }
                }
                // It holds no lock, so all methods can be called.
                _ = machine.memory
                machine.resume()
            }
        }
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(9))
        let each = ["phase 3", "phase 4", "\(Outcome.exited(9))"]
        #expect(words.withLock { $0 } == each.flatMap { [$0, $0] })
    }

    @Test("events that nobody takes in time are counted instead of kept")
    func dropsEvents() {
        var queue = EventQueue()
        let phase = MachineEvent.phase(PhaseMark(phase: 1, edits: EditCounts(), time: .zero))
        #expect(queue.append(phase) == false && queue.take() == nil)
        #expect(queue.add(EventQueue.Handler { _ in }) == nil)
        for _ in 0..<5000 { _ = queue.append(phase) }
        let events = queue.take()?.events ?? []
        #expect(events.count == 4097)
        if case .dropped(let count) = events.last { #expect(count == 904) } else { Issue.record("no word of the rest") }
        #expect(queue.take() == nil)
        // The end of the run is not dropped, and nothing comes after it.
        for _ in 0..<5000 { _ = queue.append(phase) }
        for event in [.ended(.halted), phase, .ended(.reset)] as [MachineEvent] { _ = queue.append(event) }
        let last = (queue.take()?.events ?? []).suffix(2)
        if case .dropped(904) = last.first, case .ended(.halted) = last.last {} else { Issue.record("\(last)") }
    }

    @Test("whoever asks after the end, or of a machine that could not run, is told of the end")
    func endIsTold() throws {
        let machine = try GuestMachine(GuestImage(TinyGuest.exit(9)))
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(9))
        let told = Mutex(0)
        machine.onEvent { event in if case .ended(.exited(9)) = event { told.withLock { $0 += 1 } } }
        #expect(told.withLock { $0 } == 1)

        var configuration = MachineConfiguration()
        configuration.kickSignal = 0
        let broken = try GuestMachine(GuestImage(TinyGuest.exit(9)), configuration)
        broken.onEvent { event in if case .ended(.internalError) = event { told.withLock { $0 += 1 } } }
        #expect(throws: MachineError.self) { try broken.run() }
        #expect(told.withLock { $0 } == 2)
    }

    @Test("machines run side by side, each with its own guest")
    func sideBySide() throws {
        let guest = try #require(BuiltInGuest.named("smp"))
        let outputs = (0..<6).map { _ in TinyGuest.Output() }
        let all = try outputs.map { output in
            try GuestMachine(GuestImage(guest.image), guest.configuration, consoleOutput: output.append)
                .start(timeout: .seconds(120))
        }
        for running in all { #expect(try running.report(within: .seconds(120)).outcome == .exited(0)) }
        #expect(Set(outputs.map(\.bytes.count)).count == 1)
    }

    @Test("a run whose guest never ends is stopped, and leaves nothing")
    func stops() throws {
        let machine = try GuestMachine(GuestImage([0xeb, 0xfe]))
        let running = try machine.start()
        machine.stop()
        #expect(try running.report().outcome == .stopped)
        let other = try GuestMachine(GuestImage([0xeb, 0xfe])).start()
        #expect(try other.report(within: .milliseconds(50)).outcome == .timeout)
    }
}
