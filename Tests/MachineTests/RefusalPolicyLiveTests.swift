import LiveSupport
import Memslots
import PCI
import Testing

@testable import Machine

/// A guest that moves a BAR over memory of the host's own.
@Suite("What becomes of refusals", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct RefusalPolicyLiveTests {
    private static let address = FunctionAddress(device: 1)
    private static let taken = GuestRange(at: 0xe000_0000, size: 0x1000)

    private func run(_ policy: RefusalPolicy, tries: UInt32) throws -> RunReport {
        let code = GuestCode { code in
            code.repeated(tries) { $0.writeConfiguration(0xe000_0000, Self.address, at: 0x10) }
            code.exit(0)
        }
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration())
        guest.configuration.functions = [Self.address: plainFunction()]
        guest.configuration.onRefusal = policy
        guest.configuration.spareMemory = 0x1000
        let machine = try guest.machine()
        let backing = try machine.allocate(0x1000)
        try machine.changeMemory(adding: [Mapping(range: Self.taken, backing: backing, owner: .other(5))])
        return try machine.run(timeout: .seconds(60))
    }

    @Test("the guest goes on, and each is counted; the list has an end", arguments: [UInt32(1), 64, 100])
    func goesOn(tries: UInt32) throws {
        let report = try run(.continue, tries: tries)
        #expect(report.outcome == .exited(0))
        #expect(report.refusals.count == Int(tries))
        #expect(report.refusals.list.count == min(64, Int(tries)))
        #expect(report.refusals.list.allSatisfy { $0.rule == "overlap" && $0.value == 0xe000_0000 })
        #expect(report.refusals.list.first.map { $0.reason.contains("mapping 5") } == true)
    }

    @Test("the run ends, and the rule is named")
    func stops() throws {
        let report = try run(.stop, tries: 3)
        guard case .internalError(let text) = report.outcome else {
            Issue.record("\(report.outcome)")
            return
        }
        #expect(text.contains("overlap:") && text.contains("00:01.0"))
        #expect(report.refusals.count == 1)
    }
}
