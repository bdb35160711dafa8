import Host
import Images
import KVM
import LiveSupport
import Memslots
import PropertySupport
import Testing

@testable import Machine

/// Threads that pause, step, resume and look into vCPUs at random, beside others that change memory.
@Suite("Controllers at random", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct RandomControllerLiveTests {
    private static let vcpus = 4
    private static let steps = 150
    private static let patience = Duration.seconds(60)
    private static let place = GuestRange(at: 0xe800_0000, size: 0x1000)

    private static let code = GuestCode(vcpus: vcpus) { code in
        code.forever {
            $0.load(0xe800_0000)
            $0.outToOwnPort(from: 0x700)
            $0.outLetter(0xe9)
        }
    }

    private static func act(_ machine: GuestMachine, _ number: Int, _ backing: Backing, _ random: inout SplitMix64) {
        let id = Int.random(in: 0..<vcpus, using: &random)
        switch (number, Int.random(in: 0..<6, using: &random)) {
        case (0, _):
            if machine.mapping(at: place.first) == nil {
                try? machine.changeMemory(adding: [Mapping(range: place, backing: backing, owner: .other(1))])
            } else {
                try? machine.changeMemory(removing: [place])
            }
        case (_, 0): _ = try? machine.pause(vcpu: id, patience: patience)
        case (_, 1): _ = try? machine.resume(vcpu: id)
        case (_, 2):
            try? machine.step(vcpu: id)
            _ = try? machine.waitForStop(of: id, within: .milliseconds(20))
        case (_, 3):
            if var registers = try? machine.registers(of: id) {
                registers.general.r9 = random.next()
                try? machine.setRegisters(registers, of: id)
                _ = try? machine.read(count: 16, atLinear: registers.general.rip, on: id)
            }
        case (_, 4): machine.pause(patience: .milliseconds(20))
        default: machine.resume()
        }
    }

    @Test("no thread hangs, every vCPU goes on, and the run ends", .timeLimit(.minutes(60)), arguments: propertySeeds)
    func controllers(seed: UInt64) throws {
        var guest = TinyGuest(code: Self.code.bytes, configuration: GuestCode.configuration(vcpus: Self.vcpus))
        guest.configuration.spareMemory = 0x1000
        let machine = try guest.machine()
        let backing = try machine.allocate(0x1000)
        machine.onStop {}
        let running = try machine.start(timeout: .seconds(3600))
        let end = LiveKVM.longRun.map { SuspendingClock.now + $0 }
        let threads = try (0..<4).map { number in
            try HostThread(name: "control\(number)") {
                var random = SplitMix64(seed: seed &+ UInt64(number))
                var step = 0
                while end.map({ SuspendingClock.now < $0 }) ?? (step < Self.steps) {
                    Self.act(machine, number, backing, &random)
                    step += 1
                }
            }
        }
        for thread in threads {
            #expect(thread.join(within: (LiveKVM.longRun ?? .zero) + Self.patience), "seed \(seed)")
        }
        // A step may stop a vCPU after it was let go.
        for vcpu in machine.vcpus {
            let before = vcpu.exits.sum
            let deadline = SuspendingClock.now + Self.patience
            while vcpu.exits.sum == before, SuspendingClock.now < deadline {
                machine.resume()
                HostThread.sleep(for: .milliseconds(1))
            }
            #expect(vcpu.exits.sum > before, "seed \(seed): vCPU \(vcpu.cpu.id) does not go on")
        }
        #expect(machine.pause(patience: Self.patience), "seed \(seed)")
        if seed % 2 == 0 { machine.resume() }
        machine.stop()
        let report = try running.report()
        #expect(report.outcome == .stopped && report.leftBehind.isEmpty, "seed \(seed): \(report.outcome)")
    }
}
