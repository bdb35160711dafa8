import Testing

@testable import Host

/// The process has one such signal, so the tests come one after the other.
@Suite("The signal that calls threads out of their system calls", .serialized)
struct KickSignalTests {
    @Test("a signal that cannot be handled is refused, and nothing is taken")
    func refuses() {
        for signal in [9, 4000] as [Int32] { #expect(throws: HostError.self) { try KickSignal.take(signal) } }
    }

    @Test("the first chooses the signal, others use the same, and the last gives it back")
    func shares() throws {
        try KickSignal.take(KickSignal.usual)
        try KickSignal.take(KickSignal.usual)
        let other = KickSignal.usual + 1
        #expect(throws: HostError.self) {
            try KickSignal.take(other)
        }
        KickSignal.giveBack()
        #expect(throws: HostError.self) { try KickSignal.take(other) }
        KickSignal.giveBack()
    }
}
