import Host
import Testing
import VFIO

@Suite("Vectors of an assigned function") struct VectorEventsTests {
    /// The calls, by first vector and by which vectors have an eventfd.
    private struct Call: Hashable {
        var first: Int
        var hasEvent: [Bool]
    }

    /// The kernel, which grants so many vectors.
    private struct Host {
        var limit = Int.max
        var calls: [Call] = []

        mutating func set(_ first: Int, _ events: [SharedDescriptor?]) -> Int {
            calls.append(Call(first: first, hasEvent: events.map { $0 != nil }))
            return min(limit, events.count)
        }
    }

    private let events: [SharedDescriptor]

    init() throws { events = try (0..<4).map { try SharedDescriptor(eventFor: "vector \($0)") } }

    private func calls(of changes: [[SharedDescriptor?]], count: Int, limit: Int = .max) throws -> ([Call], Int?) {
        var (host, vectors) = (Host(limit: limit), VectorEvents())
        for change in changes { try vectors.change(to: change, count: count) { host.set($0, $1) } }
        return (host.calls, vectors.granted)
    }

    @Test("all are set up at once, and one that opens or closes leaves the others alone") func growth() throws {
        let (calls, granted) = try calls(
            of: [[events[0]], [events[0], nil, events[2]], [events[0], nil, events[2]], [nil, nil, events[2]], []],
            count: 4)
        #expect(
            calls == [
                Call(first: 0, hasEvent: [true, false, false, false]), Call(first: 2, hasEvent: [true]),
                Call(first: 0, hasEvent: [false]), Call(first: 0, hasEvent: []),
            ])
        #expect(granted == nil)
    }

    @Test("a kind that is not up is not taken down") func notUp() throws {
        #expect(try calls(of: [[], []], count: 4).0.isEmpty)
    }

    @Test("where the number grows all are taken down first, as for MSI") func resized() throws {
        var (host, vectors) = (Host(), VectorEvents())
        try vectors.change(to: [events[0]], count: 1) { host.set($0, $1) }
        try vectors.change(to: [events[0], events[1]], count: 2) { host.set($0, $1) }
        #expect(host.calls.map(\.hasEvent) == [[true], [], [true, true]])
    }

    @Test("the first ones work where the host grants fewer, and it is asked for more only once") func fewer() throws {
        let wanted: [SharedDescriptor?] = events
        let (calls, granted) = try calls(of: [wanted, [], wanted], count: 4, limit: 2)
        #expect(calls.map(\.hasEvent.count) == [4, 2, 0, 2])
        #expect(granted == 2)
    }

    @Test("a host that grants none is an error") func none() {
        #expect(throws: HostError.self) { try calls(of: [[events[0]]], count: 4, limit: 0) }
    }
}
