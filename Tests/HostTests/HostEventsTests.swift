import Host
import Synchronization
import Testing

@Suite("What a monitor's main thread waits for")
struct HostEventsTests {
    @Test("the deadline comes, also one that has passed")
    func deadline() throws {
        let events = try HostEvents(catchesSignals: false)
        #expect(try events.wait(input: nil, until: .now) == .deadline)
        #expect(try events.wait(input: nil, until: .now - .seconds(1)) == .deadline)
        #expect(try events.wait(input: nil, until: .now + .milliseconds(2)) == .deadline)
    }

    @Test("a post wakes once, whether it came before the wait or after")
    func posts() throws {
        let events = try HostEvents(catchesSignals: false)
        events.post()
        events.post()
        #expect(try events.wait(input: nil, until: .now + .seconds(5)) == .posted)
        #expect(try events.wait(input: nil, until: .now + .milliseconds(1)) == .deadline)
    }

    @Test("input that can be read wakes, and is only looked at where it is wanted")
    func input() throws {
        let events = try HostEvents(catchesSignals: false)
        // A regular file can always be read.
        let file = try FileBytes.create("/dev/null")
        #expect(try events.wait(input: file, until: .now + .seconds(5)) == .input)
        #expect(try events.wait(input: nil, until: .now) == .deadline)
    }

    @Test("a kick interrupts a thread that waits, and one that has ended is left alone")
    func kicks() throws {
        try KickSignal.take(KickSignal.usual)
        defer { KickSignal.giveBack() }
        let waiter = try Waiter()
        while waiter.wakes == 0 { HostThread.kick(id: waiter.id) }
        waiter.thread.join()
        HostThread.kick(id: waiter.id)
        #expect(waiter.wakes == 1)
    }

    @Test("a kick for which there is no room in the queue of signals comes once there is room")
    func waitsForRoom() throws {
        try KickSignal.take(KickSignal.usual)
        defer { KickSignal.giveBack() }
        let waiter = try Waiter()
        // Long enough for it to wait; if it does not yet, the kick that comes later finds it waiting.
        HostThread.sleep(for: .milliseconds(100))
        let kicker = try withoutRoomForSignals {
            let kicker = try HostThread(name: "kicker") { HostThread.kick(id: waiter.id) }
            HostThread.sleep(for: .milliseconds(50))
            #expect(waiter.wakes == 0)
            return kicker
        }
        kicker.join()
        waiter.thread.join()
        #expect(waiter.wakes == 1)
    }

    /// A thread that waits until a signal interrupts it.
    private final class Waiter: Sendable {
        let thread: HostThread
        private let state: State
        var id: Int32 { state.id.load(ordering: .acquiring) }
        var wakes: Int { state.wakes.load(ordering: .acquiring) }

        private final class State: Sendable {
            let id = Atomic<Int32>(0)
            let wakes = Atomic(0)
            let semaphore = Semaphore()
        }

        init() throws {
            let state = State()
            self.state = state
            thread = try HostThread(name: "waiter") {
                state.id.store(HostThread.currentID, ordering: .releasing)
                state.semaphore.wait()
                state.wakes.add(1, ordering: .releasing)
            }
            while id == 0 {}
        }
    }
}
