import Foundation
import LiveSupport
import Synchronization
import Testing

@testable import Laboratory

@Suite("Probe", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ProbeLiveTests {
    /// On hardware, a measured time would call a busy host an emulator, and `run` would refuse Linux there.
    @Test("a busy host does not change the way in which guests are found to run")
    func executionOnBusyHost() throws {
        let quiet = try HostProbe.execution()
        let others = BusyThreads(count: 16)
        defer { others.end() }
        for _ in 0..<3 { #expect(try HostProbe.execution() == quiet) }
    }
}

/// Threads that take all the time of the processor they can get.
private final class BusyThreads: Sendable {
    private let isOver = Atomic(false)

    init(count: Int) {
        for _ in 0..<count {
            Thread { [self] in while !isOver.load(ordering: .relaxed) {} }.start()
        }
    }

    func end() {
        isOver.store(true, ordering: .relaxed)
    }
}
