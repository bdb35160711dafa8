import Testing

@testable import Laboratory

@Suite struct LatenciesTests {
    @Test("percentiles are values that were measured, by the nearest rank")
    func ranks() throws {
        var latencies = Latencies()
        #expect(latencies.summary == nil)
        latencies.append(.microseconds(7))
        let one = try #require(latencies.summary)
        #expect(one.p50 == 7 && one.p99 == 7 && one.max == 7)
        for time in (1...199).reversed() { latencies.append(.microseconds(time)) }
        let many = try #require(latencies.summary)
        #expect(latencies.count == 200 && many.p50 == 99 && many.p99 == 197 && many.max == 199)
        #expect(latencies.microseconds.first == 7)
    }
}

@Suite struct ObserverTests {
    @Test("is told the phase, the numbers and the time, and not too often")
    func progress() {
        var told: [Observer.Progress] = []
        var observer = Observer { progress in
            told.append(progress)
            return true
        }
        observer.begin("adding", total: 10)
        var hasStopped = false
        for number in 0..<10_000 where !observer.goesOn(number) { hasStopped = true }
        #expect(!hasStopped)
        #expect(told.first?.phase == "adding" && told.first?.total == 10 && told.first?.done == 0)
        #expect(told.count < 1000)
    }

    @Test("once interrupted, nothing goes on")
    func interruption() {
        var observer = Observer { _ in false }
        observer.begin("adding")
        let answers = [observer.goesOn(0), observer.goesOn(1)]
        observer.begin("deleting")
        #expect(answers + [observer.goesOn(0)] == [false, false, false])
        #expect(observer.hasInterrupted)
    }

    @Test("the end of the time is no interruption")
    func limit() {
        var observer = Observer.none
        observer.begin("adding", limit: .zero)
        let answers = [observer.goesOn(0), observer.goesOn(1)]
        #expect(answers == [false, false] && !observer.hasInterrupted)
    }
}
