import Host
import Images
import KVM
import LiveSupport
import Memslots
import Testing

@testable import Machine

@Suite("Several that hold vCPUs", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct HolderLiveTests {
    private static let patience = Duration.seconds(20)
    private static let start = MachineConfiguration.defaultLoadAddress.rawValue

    private func machine(_ code: [UInt8]) throws -> GuestMachine {
        try TinyGuest(code: code, configuration: MachineConfiguration(mode: .protected)).machine()
    }

    @Test(
        "a vCPU goes on when neither the user nor a debugger holds it, and a step that was asked for meanwhile is made then"
    )
    func holders() throws {
        // mov al, 1; mov al, 2; in al, 0x70; out 0xf4, al
        let machine = try machine([0xb0, 1, 0xb0, 2, 0xe4, 0x70, 0xe6, 0xf4])
        machine.pause(by: .user)
        let running = try machine.start()
        #expect(machine.pause(by: .user, patience: Self.patience) && machine.pause(patience: Self.patience))
        func rip() throws -> UInt64 { try machine.registers(of: 0).general.rip - Self.start }
        machine.resume()
        #expect(try machine.waitForStop(of: 0, within: .milliseconds(200)) == nil && rip() == 0)
        try machine.step(vcpu: 0)
        #expect(try machine.waitForStop(of: 0, within: .milliseconds(200)) == nil && rip() == 0)
        machine.resume(by: .user)
        #expect(try machine.waitForStop(of: 0, within: Self.patience) == .step && rip() == 2)
        // The user cannot take a stop away from the debugger.
        machine.pause(by: .user)
        machine.resume(by: .user)
        #expect(try machine.stop(of: 0) == .step && rip() == 2)
        machine.resume()
        #expect(try running.report().outcome == .exited(0xff))
    }

    @Test("a debugger that comes and goes leaves a guest paused that its user has paused")
    func debuggerAndUser() throws {
        let machine = try machine(TinyGuest.spin)
        let path = "/tmp/swiftlet-gdb-\(UInt64.random(in: .min ... .max))"
        let server = try DebugServer(
            machine, at: .local(path: path), monitor: DebugMonitor(commands: "none") { _ in nil })
        let running = try machine.start()
        #expect(machine.pause(by: .user, patience: Self.patience))
        let client = try #require(LocalClient(path: path))
        #expect(client.exchange("?")?.hasPrefix("T") == true)
        client.send(Array("$vCont;c#a8".utf8))
        HostThread.sleep(for: .milliseconds(100))
        #expect(machine.vcpus[0].control.withLock { $0.threadState == .held && $0.holders == .user })
        // Ctrl-C of the debugger: it is told of a stop although the guest has not run.
        client.send([3])
        #expect(client.packet()?.hasPrefix("T") == true)
        #expect(client.exchange("D") == "OK")
        while machine.vcpus[0].control.withLock({ $0.holders != .user }) { HostThread.sleep(for: .milliseconds(1)) }
        machine.resume(by: .user)
        while machine.vcpus[0].control.withLock({ $0.threadState != .running }) {
            HostThread.sleep(for: .milliseconds(1))
        }
        machine.stop()
        #expect(try running.report().outcome == .stopped)
        server.finish(status: 0)
    }
}
