import SwiftletKit
import Testing

/// Tests of guests. Each guest runs in its own machine, and several run at once.
@Suite struct GuestTests {
    private func run(_ code: [UInt8], timeout: Duration = .seconds(10)) async throws -> (RunReport, String) {
        let console = GuestConsole()
        let running = try GuestMachine(GuestImage(code), console: console).start(timeout: timeout)
        let text = await console.text()
        return (try await running.waitForEnd(), text)
    }

    @Test(arguments: [0, 1, 77] as [UInt8])
    func `ends with the status that it wants`(status: UInt8) async throws {
        // mov al, status; out 0xf4, al
        let (report, _) = try await run([0xb0, status, 0xe6, 0xf4])
        #expect(report.outcome == .exited(UInt32(status)))
    }

    @Test func `prints`() async throws {
        // mov dx, 0x3f8; mov al, 'A'; out dx, al; inc al; out dx, al; xor eax, eax; out 0xf4, al
        let (report, text) = try await run([
            0x66, 0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xfe, 0xc0, 0xee, 0x31, 0xc0, 0xe6, 0xf4,
        ])
        #expect(report.outcome == .exited(0) && text == "AB")
    }

    @Test func `a guest that hangs is ended`() async throws {
        let (report, _) = try await run([0xeb, 0xfe], timeout: .milliseconds(200))
        #expect(report.outcome == .timeout)
    }

    @Test func `a fault shows where it was`() async throws {
        let (report, _) = try await run([0x90, 0x0f, 0x0b])
        #expect(report.outcome == .shutdown)
        #expect(report.vcpus.first?.registers.rip == MachineConfiguration.defaultLoadAddress.rawValue + 1)
    }

    @Test(.timeLimit(.minutes(1)))
    func `streams of a machine that does not run come to their end`() async throws {
        let refused = GuestConsole()
        var configuration = MachineConfiguration()
        configuration.vcpus = 0
        #expect(throws: MachineError.self) {
            try GuestMachine(GuestImage([0xf4]), configuration, console: refused)
        }
        #expect(await refused.text() == "")

        let unused = GuestConsole()
        var machine: GuestMachine? = try GuestMachine(GuestImage([0xf4]), console: unused)
        let events = try #require(machine?.eventStream)
        machine = nil
        #expect(await unused.text() == "")
        for await event in events { Issue.record("\(event)") }

        let ended = try GuestMachine(GuestImage([0xf4]))
        _ = try ended.run()
        for await event in ended.eventStream {
            if case .ended = event { continue }
            Issue.record("\(event)")
        }
    }
}
