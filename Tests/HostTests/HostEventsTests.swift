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
        let wakes = Atomic(0)
        let id = Atomic<Int32>(0)
        let semaphore = SemaphoreBox()
        let thread = try HostThread(name: "waiter") {
            id.store(HostThread.currentID, ordering: .releasing)
            semaphore.value.wait()
            wakes.add(1, ordering: .releasing)
        }
        while id.load(ordering: .acquiring) == 0 {}
        while wakes.load(ordering: .acquiring) == 0 {
            HostThread.kick(id: id.load(ordering: .acquiring))
        }
        thread.join()
        HostThread.kick(id: id.load(ordering: .acquiring))
        #expect(wakes.load(ordering: .acquiring) == 1)
    }

    private final class SemaphoreBox: Sendable {
        let value = Semaphore()
    }
}
