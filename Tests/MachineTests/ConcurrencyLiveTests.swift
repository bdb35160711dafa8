import Dispatch
import Foundation
import Host
import LiveSupport
import Memslots
import PCI
import Testing

@testable import Machine

@Suite("vCPUs beside each other", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ConcurrencyLiveTests {
    private static let ports: UInt32 = 0x700
    private static let spare = GuestRange(at: 0xe800_0000, size: 0x1000)

    /// A machine with spare memory for a mapping.
    private func guest(_ code: GuestCode, vcpus: Int) -> TinyGuest {
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration(vcpus: vcpus))
        guest.configuration.spareMemory = 0x1000
        return guest
    }

    private func spareMapping(of machine: GuestMachine) throws -> Mapping {
        Mapping(range: Self.spare, backing: try machine.allocate(0x1000), owner: .other(1))
    }

    /// Ends a run of which a vCPU does not come back.
    private func stop(_ running: RunningMachine) throws -> RunReport {
        let start = SuspendingClock.now
        running.machine.stop()
        let report = try running.report()
        #expect(SuspendingClock.now - start < .seconds(20))
        #expect(report.outcome == .stopped)
        return report
    }

    @Test(
        "a device that does not return keeps its vCPU, and the others go on with theirs", .timeLimit(.minutes(1)),
        arguments: [UInt8(0), 5])
    func blockedDevice(blocked: UInt8) throws {
        let (vcpus, count) = (16, 100)
        let code = GuestCode(vcpus: vcpus) { code in
            code.onVCPU(blocked) { $0.outByte(1, 0x600) }
            code.wait(until: GuestCode.flag, is: 1)
            code.repeated(UInt32(count)) { $0.outToOwnPort(from: Self.ports) }
        }
        var guest = guest(code, vcpus: vcpus)
        let gate = Gate()
        let isThrough = DispatchSemaphore(value: 0)
        guest.configuration.portDevices = [AttachedDevice(GateDevice(gate: gate), at: 0x600, size: 1)]
        for id in 0..<UInt64(vcpus) {
            let device = CountingDevice(number: id, expected: count, isThrough: isThrough)
            guest.configuration.portDevices.append(
                AttachedDevice(device, at: UInt64(Self.ports) + 16 * id, size: 1))
        }
        let machine = try guest.machine()
        defer { gate.open() }
        let running = try machine.start()
        #expect(gate.waitForVisitor())
        try machine.changeMemory(adding: [try spareMapping(of: machine)])
        #expect(machine.write([1], at: GuestAddress(UInt64(GuestCode.flag))))
        for _ in 1..<vcpus { #expect(isThrough.wait(timeout: .now() + 30) == .success) }
        try machine.changeMemory(removing: [Self.spare])
        #expect(machine.slots.count == 1)
        let report = try stop(running)
        #expect(report.leftBehind == [UInt32(blocked)])
        #expect(report.exits.pio >= (vcpus - 1) * count)
    }

    @Test(
        "a function that does not return keeps its vCPU; another one's BAR moves and is used", .timeLimit(.minutes(1)))
    func blockedFunction() throws {
        let (slow, fast) = (FunctionAddress(device: 1), FunctionAddress(device: 2))
        let target: UInt32 = 0xe000_0000
        let code = GuestCode(vcpus: 2) { code in
            code.onVCPU(1) {
                $0.load(0xd000_0000)
                $0.keep(1)
            }
            code.onVCPU(0) {
                $0.wait(until: GuestCode.flag, is: 1)
                $0.repeated(20) {
                    $0.writeConfiguration(target, fast, at: 0x10)
                    $0.store(0x1234, at: target)
                    $0.writeConfiguration(target + 0x1000, fast, at: 0x10)
                    $0.load(target + 0x1000)
                    $0.keep(0)
                }
                $0.outByte(1, Self.ports)
            }
        }
        var guest = guest(code, vcpus: 2)
        let gate = Gate()
        let isThrough = DispatchSemaphore(value: 0)
        guest.configuration.functions = [slow: GateFunction(gate: gate), fast: plainFunction()]
        guest.configuration.portDevices = [
            AttachedDevice(
                CountingDevice(number: 0, expected: 1, isThrough: isThrough), at: UInt64(Self.ports), size: 1)
        ]
        let machine = try guest.machine()
        defer { gate.open() }
        try #require(machine.register(0x10, of: slow) == 0xd000_0000)
        let running = try machine.start()
        #expect(gate.waitForVisitor())
        try machine.changeMemory(adding: [try spareMapping(of: machine)])
        #expect(machine.write([1], at: GuestAddress(UInt64(GuestCode.flag))))
        #expect(isThrough.wait(timeout: .now() + 30) == .success)
        #expect(machine.results(1) == [0x1234])
        #expect(machine.register(0x10, of: fast) == UInt64(target + 0x1000))
        let report = try stop(running)
        #expect(report.leftBehind == [1])
        #expect(report.refusals.count == 0)
    }

    @Test("a function that returns after all has kept nobody", .timeLimit(.minutes(1)))
    func slowFunction() throws {
        let code = GuestCode(vcpus: 2) { code in
            code.onVCPU(1) {
                $0.load(0xd000_0000)
                $0.keep(0)
            }
        }
        var guest = guest(code, vcpus: 2)
        let gate = Gate()
        guest.configuration.functions = [FunctionAddress(device: 1): GateFunction(gate: gate)]
        let running = try guest.machine().start()
        #expect(gate.waitForVisitor())
        gate.open()
        let report = try running.report()
        #expect(report.outcome == .exited(0) && report.leftBehind.isEmpty)
        #expect(running.machine.results(1) == [0x600d])
    }

    @Test("what guests print in turn keeps its order", arguments: [UInt32(0x3f8), 0xe9])
    func turns(port: UInt32) throws {
        let code = GuestCode(vcpus: 4) { code in
            code.repeated(75) {
                $0.waitForTurn(at: GuestCode.token)
                $0.outLetter(port)
                $0.passTurn(at: GuestCode.token, count: 4)
            }
        }
        let (report, output) = try guest(code, vcpus: 4).run(timeout: .seconds(60))
        #expect(report.outcome == .exited(0))
        #expect(String(decoding: output, as: UTF8.self) == String(repeating: "abcd", count: 75))
    }

    @Test("what two vCPUs print to one serial port arrives once, each one's bytes in order")
    func sharedPort() throws {
        let count = 500
        let code = GuestCode(vcpus: 2) { code in
            code.repeated(UInt32(count)) { $0.outCount(0x3f8) }
        }
        let (report, output) = try guest(code, vcpus: 2).run(timeout: .seconds(60))
        #expect(report.outcome == .exited(0))
        #expect(output.count == 2 * count)
        for id in 0..<2 {
            let own = output.filter { Int($0 >> 6) == id }
            #expect(own.map { Int($0 & 0x3f) } == (1...count).reversed().map { $0 & 0x3f })
        }
    }

    @Test("trace lines come in the order of their times; each vCPU's unclaimed access is named once")
    func trace() throws {
        let path = "/tmp/swiftlet-trace-\(UInt64.random(in: .min ... .max))"
        let vcpus = 4
        let code = GuestCode(vcpus: vcpus) { code in
            code.repeated(400) {
                $0.inByte(0x900)
                $0.outToOwnPort(from: Self.ports)
            }
        }
        var guest = guest(code, vcpus: vcpus)
        for id in 0..<UInt64(vcpus) {
            guest.configuration.portDevices.append(
                AttachedDevice(CountingDevice(number: id, expected: 0), at: UInt64(Self.ports) + 16 * id, size: 1))
        }
        let machine = try guest.machine(trace: try FileBytes.create(path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let report = try machine.run(timeout: .seconds(60))
        #expect(report.outcome == .exited(0))
        #expect(report.unclaimedAccesses == UInt64(400 * vcpus))
        let lines = String(decoding: try readFile(path), as: UTF8.self).split(separator: "\n")
        #expect(lines.filter { $0.contains("in port 0x900") }.count == 400 * vcpus)
        let times = lines.map { line in line.prefix { $0 != " " } }.compactMap { Int($0) }
        #expect(times.count == lines.count && zip(times, times.dropFirst()).allSatisfy { $0 <= $1 })
        for id in 0..<vcpus {
            #expect(lines.filter { $0.contains(" vcpu\(id) unclaimed port 0x900") }.count == 1)
        }
    }
}
