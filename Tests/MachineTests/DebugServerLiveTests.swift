import Foundation
import Host
import Images
import KVM
import LiveSupport
import Memslots
import PropertySupport
import Testing

@testable import Debugging
@testable import Machine

@Suite("Serving debuggers", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct DebugServerLiveTests {
    private static let start = MachineConfiguration.defaultLoadAddress.rawValue

    /// A machine that spins until a word is set, with its server.
    private struct Served {
        let machine: GuestMachine
        let server: DebugServer
        let path: String
        let running: RunningMachine

        init(_ code: [UInt8], mode: CPUMode = .protected, isHeld: Bool = true) throws {
            machine = try TinyGuest(code: code, configuration: MachineConfiguration(mode: mode)).machine()
            path = "/tmp/swiftlet-gdb-\(UInt64.random(in: .min ... .max))"
            if isHeld { machine.pause() }
            server = try DebugServer(
                machine, at: .local(path: path),
                monitor: DebugMonitor(commands: "none") { _ in nil })
            running = try machine.start()
        }

        func connect() throws -> LocalClient { try #require(LocalClient(path: path)) }

        /// Ends the run, if it has not ended, and the server. Both have to end soon.
        func finish() throws -> Outcome {
            machine.stop()
            let report = try running.report()
            server.finish(status: report.outcome.exitCode)
            return report.outcome
        }
    }

    @Test("a client steps, sees registers and memory, and hears of the end with its status")
    func session() throws {
        let served = try Served([0xb0, 0x2a, 0xe6, 0xf4])
        let client = try served.connect()
        #expect(client.exchange("?") == "T02thread:1;")
        #expect(client.exchange("m10000,4") == "b02ae6f4")
        #expect(client.exchange("vCont;s:1") == "T05thread:1;")
        #expect(client.exchange("p0") == "2a00000000000000")
        #expect(client.exchange("p10") == "0200010000000000")
        let registers = try #require(client.exchange("g"))
        #expect(client.exchange("G" + registers) == "OK")
        client.send(Array("$vCont;c#a8".utf8))
        let report = try served.running.report()
        served.server.finish(status: report.outcome.exitCode)
        #expect(client.packet() == "W2a")
        #expect(report.outcome == .exited(0x2a))
        #expect(LocalClient(path: served.path) == nil)
    }

    @Test("each register that is written is read again, and the machine has it")
    func registers() throws {
        let served = try Served(TinyGuest.spin)
        let client = try served.connect()
        // Its thread has begun, and may not be held yet.
        #expect(served.machine.pause(patience: .seconds(20)))
        var before = try served.machine.registers(of: 0)
        before.general.r9 = 0x1234
        before.floatingPoint.stack[2] = 0x8000_0000_0000_0000
        before.floatingPoint.stack[3] = 0x3fff
        before.floatingPoint.tag = 0x81
        before.floatingPoint.mxcsr = 0x1f80
        before.floatingPoint.controlWord = 0x37f
        try served.machine.setRegisters(before, of: 0)
        let bytes = before.debuggerBytes
        var after = try served.machine.registers(of: 0)
        for register in RegisterLayout.registers {
            #expect(after.debuggerBytes[register.range] == bytes[register.range], "\(register.name)")
        }
        let isTaken = after.take(debuggerBytes: bytes)
        #expect(isTaken)
        #expect(after.debuggerBytes == bytes)
        #expect(client.exchange("p9") == "3412000000000000")
        #expect(client.exchange("p19") == "0000000000000080ff3f")
        #expect(client.exchange("P12=1b000000") == "E01", "a selector alone says nothing of the segment")
        #expect(try served.finish() == .stopped)
    }

    @Test("Ctrl-C stops a guest that runs; a second client is turned away; a client that vanishes leaves no breakpoint")
    func clients() throws {
        let served = try Served(TinyGuest.spin + TinyGuest.exit(1), isHeld: false)
        do {
            let client = try served.connect()
            #expect(client.exchange("?") == "T02thread:1;")
            let other = try served.connect()
            #expect(other.receive() == [])
            client.send(Array("$vCont;c#a8".utf8))
            #expect(client.receive(within: 200).map { $0 == Array("+".utf8) } != false)
            client.send([3])
            #expect(client.packet() == "T02thread:1;")
            for address in 0x10000..<0x10006 { #expect(client.exchange("Z0,\(String(address, radix: 16)),1") == "OK") }
            client.send(Array("$vCont;c#a8".utf8))
            #expect(client.packet() == "T05thread:1;swbreak:;")
        }
        // It is gone, and the guest goes on.
        let again = try served.connect()
        #expect(again.exchange("?") == "T02thread:1;")
        #expect(again.exchange("m10000,6") == "ebfeb001e6f4")
        #expect(again.exchange("D") == "OK")
        #expect(try served.finish() == .stopped)
    }

    @Test("a connection that says nothing stops no guest, lets none go, and makes room for one that speaks")
    func silence() throws {
        let served = try Served([0xb0, 5, 0xe6, 0xf4])
        do { _ = try served.connect() }
        let silent = try served.connect()
        HostThread.sleep(for: .milliseconds(200))
        #expect(!served.running.hasEnded)
        let client = try served.connect()
        #expect(client.exchange("p10") == "0000010000000000")
        #expect(silent.receive() == [])
        #expect(client.exchange("D") == "OK")
        #expect(try served.running.report().outcome == .exited(5))
        served.server.finish(status: 5)
    }

    @Test("breakpoint instructions are taken out where they were put, whatever the guest maps there by then")
    func remapped() throws {
        let machine = try TinyGuest(
            code: TinyGuest.spin, configuration: MachineConfiguration(memory: 16 << 20, mode: .long)
        ).machine()
        machine.pause()
        let running = try machine.start()
        defer { machine.stop() }
        #expect(machine.write([11], at: GuestAddress(0x20_0000)) && machine.write([22], at: GuestAddress(0x40_0000)))
        // Other page tables, which show 0x400000 at 0x200000.
        for (address, entry) in [
            (0x30_0000, 0x30_1003), (0x30_1000, 0x30_2003), (0x30_2000, 0x83), (0x30_2008, 0x40_0083),
        ] {
            #expect(machine.write(littleEndian([UInt64(entry)]), at: GuestAddress(UInt64(address))))
        }
        let target = MachineDebugTarget(
            machine, monitor: DebugMonitor(commands: "") { _ in nil }, abilities: DebugAbilities())
        target.pause()
        let stops = [0x20_0000, 0x1_0100, 0x1_0200, 0x1_0300, 0x1_0400].map {
            StopPoint(kind: .softwareBreakpoint, address: UInt64($0), size: 1)
        }
        let plan = try #require(StopPlan(stops, canBreak: true))
        #expect(plan.instructions == [0x20_0000])
        target.resume([0: .go], plan: plan)
        #expect(machine.read(count: 1, at: GuestAddress(0x20_0000)) == [0xcc])
        #expect(machine.pause(patience: .seconds(20)))
        var registers = try machine.registers(of: 0)
        registers.system.cr3 = 0x30_0000
        try machine.setRegisters(registers, of: 0)
        target.pause()
        #expect(machine.read(count: 1, at: GuestAddress(0x20_0000)) == [11])
        #expect(machine.read(count: 1, at: GuestAddress(0x40_0000)) == [22])
        target.release()
        machine.stop()
        #expect(try running.report().outcome == .stopped)
    }

    @Test("a breakpoint in a segment that does not begin at 0 is met each time, and the client takes it for no other")
    func realMode() throws {
        // again: inc ax; jmp again
        let served = try Served([0x40, 0xeb, 0xfd], mode: .real)
        let client = try served.connect()
        #expect(client.exchange("Z0,10001,1") == "OK")
        for count in 1...3 {
            #expect(client.exchange("vCont;c") == "T05thread:1;")
            #expect(client.exchange("p0") == "0\(count)00000000000000")
            #expect(client.exchange("p10") == "0100000000000000")
        }
        #expect(try served.finish() == .stopped)
    }

    @Test("a guest that cannot go on stops for its debugger before the run ends")
    func fault() throws {
        let served = try Served([0xe9, 0, 0, 0, 0x70])
        let client = try served.connect()
        #expect(client.exchange("vCont;c") == "T04thread:1;")
        #expect(client.exchange("p10") == "0500017000000000")
        client.send(Array("$vCont;c#a8".utf8))
        let report = try served.running.report()
        served.server.finish(status: report.outcome.exitCode)
        #expect(client.packet() == "W46")
        #expect("\(report.outcome)".contains("no memory"))
    }

    @Test("a client that reads nothing is cut off, and neither run nor server waits for it", .timeLimit(.minutes(1)))
    func stalling() throws {
        let served = try Served(TinyGuest.spin)
        let client = try served.connect()
        let request = Array("$m10000,1fff#2d".utf8)
        for _ in 0..<2000 where client.send(request) < 0 { break }
        #expect(try served.finish() == .stopped)
    }

    @Test("nonsense harms nobody", arguments: propertySeeds)
    func nonsense(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let served = try Served(TinyGuest.spin, isHeld: false)
        for _ in 0..<30 {
            let client = try served.connect()
            for _ in 0..<20 {
                let letters = Array("gGpPmMXHTZzcsDqQv?".utf8)
                let alphabet = Array("0123456789abcdef,;:=Cont".utf8)
                var data = [letters[Int.random(in: 0..<letters.count, using: &random)]]
                for _ in 0..<Int.random(in: 0...10, using: &random) {
                    data.append(alphabet[Int.random(in: 0..<alphabet.count, using: &random)])
                }
                let digits = String(data.reduce(UInt8(0), &+), radix: 16)
                client.send(Array("$".utf8) + data + Array("#\(digits.count < 2 ? "0" : "")\(digits)".utf8))
                if Bool.random(using: &random) { client.send([UInt8.random(in: .min ... .max, using: &random)]) }
            }
            if Bool.random(using: &random) { _ = client.receive(within: 20) }
        }
        #expect(try served.finish() == .stopped, "seed \(seed)")
    }

    @Test("a socket's file that nobody listens at is replaced; one that somebody listens at, or another file, is not")
    func addresses() throws {
        let machine = try TinyGuest(code: TinyGuest.spin).machine()
        let path = "/tmp/swiftlet-gdb-\(UInt64.random(in: .min ... .max))"
        let monitor = DebugMonitor(commands: "") { _ in nil }
        let first = try DebugServer(machine, at: .local(path: path), monitor: monitor)
        #expect(throws: MachineError.self) { try DebugServer(machine, at: .local(path: path), monitor: monitor) }
        first.finish(status: 0)
        // A file that has taken the place of the socket is somebody else's.
        let second = try DebugServer(machine, at: .local(path: path), monitor: monitor)
        try FileManager.default.removeItem(atPath: path)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        second.finish(status: 0)
        #expect(FileManager.default.fileExists(atPath: path))
        try FileManager.default.removeItem(atPath: path)
        #expect(throws: MachineError.self) {
            try DebugServer(machine, at: .local(path: "/etc/passwd"), monitor: monitor)
        }
        #expect(throws: MachineError.self) {
            try DebugServer(machine, at: .internet(host: "no.such.host", port: 1), monitor: monitor)
        }
    }
}
