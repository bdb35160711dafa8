import Devices
import Foundation
import Host
import LiveSupport
import Memslots
import PCI
import PropertySupport
import Testing
import VFIOUser
import VFIOUserSupport

@testable import Machine

/// The ends of device processes, and what is left of them.
@Suite("Lost device processes", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct RandomDeviceLossLiveTests {
    private typealias Device = AssignedDeviceLiveTests

    /// As many as a release has to stand, or fewer for every day.
    private static func rounds(_ many: Int, _ few: Int) -> Int {
        ProcessInfo.processInfo.environment["SWIFTLET_LONG_SECONDS"] == nil ? few : many
    }

    /// Reads until the function is gone.
    private static func readUntilGone(_ address: UInt32, _ code: inout GuestCode) {
        code.wait(until: address, is: 0xffff_ffff)
        code.load(Device.registers + 0x100)
        code.keep(0)
        code.load(Device.area)
        code.keep(1)
        code.readConfiguration(Device.address, at: 0)
        code.keep(2)
        code.exit(0)
    }

    private static func check(_ machine: GuestMachine, _ report: RunReport) {
        #expect(report.outcome == .exited(0))
        #expect(machine.results(3) == [.max, .max, .max])
        #expect(report.losses.map(\.function) == [Device.address])
        #expect(!machine.mappings.values.contains { $0 != .ram })
    }

    @Test("answer all ones, their slots go, the trace says so, and the guest goes on", arguments: SlotPolicy.allCases)
    func killed(policy: SlotPolicy) throws {
        let server = try ScriptedServer()
        let path = FileManager.default.temporaryDirectory.path + "/trace-\(UUID())"
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        let file = try #require(FileHandle(forWritingAtPath: path))
        let machine = try Device.machine(server, policy: policy, trace: file.fileDescriptor) { code in
            code.store(1, at: Device.registers + 0x200)
            Self.readUntilGone(Device.area, &code)
        }
        let running = try machine.start()
        let deadline = SuspendingClock.now + .seconds(30)
        while server.state.withLock({ $0.memory[.bar0]?[0x200] != 1 }), deadline > .now {
            HostThread.sleep(for: .milliseconds(1))
        }
        server.kill()
        Self.check(machine, try running.report())
        let trace = try String(contentsOfFile: path, encoding: .utf8)
        try FileManager.default.removeItem(atPath: path)
        #expect(trace.contains("lost 00:05.0: the connection was closed"))
    }

    @Test(
        "a file that is cut while the guest uses it ends the function, not the monitor", arguments: SlotPolicy.allCases)
    func cut(policy: SlotPolicy) throws {
        let server = try ScriptedServer()
        let machine = try Device.machine(server, policy: policy) { code in
            code.store(7, at: Device.area)
            code.store(1, at: Device.registers + 0x200)
            Self.readUntilGone(Device.area, &code)
        }
        let running = try machine.start()
        let deadline = SuspendingClock.now + .seconds(30)
        while server.state.withLock({ $0.memory[.bar0]?[0x200] != 1 }), deadline > .now {
            HostThread.sleep(for: .milliseconds(1))
        }
        try server.file.withLock { try $0.resize(to: 0x1000) }
        let report = try running.report()
        #expect(report.outcome == .exited(0))
        #expect(report.losses.map(\.reason) == ["a file of the device process is shorter than its region"])
        #expect(!machine.mappings.values.contains { $0 != .ram })
    }

    @Test("at random moments", arguments: propertySeeds)
    func anyMoment(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        func count() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
        let before = try count()
        let rounds = Self.rounds(200, 10)
        for round in 0..<rounds {
            let server = try ScriptedServer()
            let policy = SlotPolicy.allCases[round % 2]
            let machine: GuestMachine
            let delay = Duration.microseconds(Int64(random.next() % 20_000))
            let killer = try HostThread(name: "killer") {
                HostThread.sleep(for: delay)
                server.kill()
            }
            defer { killer.join() }
            do {
                machine = try Device.machine(server, policy: policy) { code in
                    let table = Device.memory
                    code.store(0xfee0_0000, at: table)
                    code.store(0x41, at: table + 8)
                    code.repeated(100_000) { code in
                        code.store(0, at: table + 12)
                        code.writeConfiguration(1 << 31 | 3 << 16, Device.address, at: 0x40)
                        code.store(0, at: Device.registers)
                        code.load(Device.area)
                        code.writeConfiguration(0, Device.address, at: 4)
                        code.writeConfiguration(0, Device.address, at: 0x40)
                        code.writeConfiguration(7, Device.address, at: 4)
                        code.readConfiguration(Device.address, at: 0)
                        code.ifEqual(0xffff_ffff) { $0.exit(0) }
                    }
                    code.exit(1)
                }
            } catch {
                // It died before the machine was made.
                continue
            }
            let report = try machine.run(timeout: .seconds(60))
            #expect(report.outcome == .exited(0), "seed \(seed), round \(round)")
            #expect(!machine.mappings.values.contains { $0 != .ram })
        }
        let deadline = SuspendingClock.now + .seconds(30)
        while try count() > before + 60, deadline > .now { HostThread.sleep(for: .milliseconds(10)) }
        #expect(try count() <= before + 60)
    }

    @Test("toggles and moves leave nothing behind", arguments: SlotPolicy.allCases)
    func toggles(policy: SlotPolicy) throws {
        let server = try ScriptedServer()
        let machine = try Device.machine(server, policy: policy) { $0.exit(0) }
        _ = try machine.run(timeout: .seconds(60))
        func figures() throws -> [Int] {
            let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
            return [
                maps.split(separator: "\n").count { $0.contains("memfd:\(server.name)") }, machine.slots.count,
                machine.mappings.count, server.state.withLock { $0.mapped.count },
            ]
        }
        func write(_ value: UInt64, _ register: UInt64) throws {
            try machine.writeConfiguration(value, of: Device.address, at: register, width: .doubleword)
        }
        let before = try figures()
        for round in 0..<Self.rounds(10_000, 200) {
            try write(0, 4)
            try write(UInt64(Device.memory) + UInt64(round % 4) * 0x8000, 0x18)
            try write(7, 4)
            try write(1 << 31, 0x40)
            try write(0, 0x40)
        }
        try write(UInt64(Device.memory), 0x18)
        #expect(try figures() == before)
        #expect(machine.held.routes == 0)
    }
}
