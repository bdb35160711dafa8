internal import Host
internal import Machine
internal import Memslots

/// A machine with the built-in guest `watch`, and what the monitor tells it of the places that it looks at.
///
/// `guests/watch.S` describes the table. A place is announced before it changes and shown afterwards; the guest counts what
/// it checks, and what was wrong.
struct WatchedPlaces {
    /// What a place is to the guest.
    enum Sight: Hashable {
        case absent
        /// Memory that begins with this word.
        case memory(UInt32, Access)
        /// A register of a device that reads so; nothing is written there.
        case register(UInt32)
    }

    let machine: GuestMachine
    private var places: [(address: UInt64, sequence: UInt32)] = []
    private let vcpus: Int

    private static let stop = GuestAddress(0x10_0000)
    private static let count = GuestAddress(0x10_0008)
    private static let entries: UInt64 = 0x10_0040
    private static let entrySize: UInt64 = 32
    private static let results: UInt64 = 0x30_0000
    private static let resultSize: UInt64 = 64
    /// Pages of the guest's own RAM that it watches as well.
    private static let ownPages = stride(from: UInt64(0x38_0000), to: 0x38_8000, by: 0x1000)

    /// What the guest needs; the rest of the configuration is the scenario's.
    static func configuration(vcpus: Int) -> (image: [UInt8], configuration: MachineConfiguration) {
        guard let guest = BuiltInGuest.named("watch") else { preconditionFailure("the guest `watch` is built in") }
        var configuration = guest.configuration
        configuration.vcpus = vcpus
        configuration.interruptController = vcpus > 1 ? .kernel : .none
        return (guest.image, configuration)
    }

    /// Watches nothing yet but pages of the guest's own RAM.
    init(_ machine: GuestMachine, vcpus: Int) {
        self.machine = machine
        self.vcpus = vcpus
        for (number, address) in Self.ownPages.enumerated() {
            let label = 0x3a00_0000 | UInt32(number)
            _ = machine.write(littleEndian(label), at: GuestAddress(address))
            add(GuestAddress(address), showing: .memory(label, .readWrite))
        }
    }

    /// Watches a place, below 4 GiB, from now on; its number.
    @discardableResult
    mutating func add(_ address: GuestAddress, showing sight: Sight) -> Int {
        places.append((address.rawValue, 1))
        let number = places.count - 1
        write(UInt32(truncatingIfNeeded: address.rawValue), number, at: 0)
        write(UInt32(truncatingIfNeeded: address.rawValue >> 32), number, at: 4)
        show(sight, at: number)
        _ = machine.write(littleEndian(UInt32(places.count)), at: Self.count)
        return number
    }

    /// Says that a place is about to change.
    mutating func announce(_ number: Int) {
        places[number].sequence |= 1
        write(places[number].sequence, number, at: 8)
    }

    /// Says what a place is from now on.
    mutating func show(_ sight: Sight, at number: Int) {
        let (state, label): (UInt32, UInt32) =
            switch sight {
            case .absent: (0, .max)
            case .memory(let label, .readWrite): (1, label)
            case .memory(let label, .readOnly): (2, label)
            case .register(let value): (3, value)
            }
        write(state, number, at: 12)
        write(label, number, at: 16)
        // Even again, and another number than before.
        places[number].sequence = (places[number].sequence &+ 1) & ~1
        write(places[number].sequence, number, at: 8)
    }

    /// Tells the guest to end.
    func end() {
        _ = machine.write(littleEndian(UInt32(1)), at: Self.stop)
    }

    /// Runs the guest while `change` changes the machine, lets it look at everything once more, and ends it.
    func run(_ change: (RunningMachine) throws(MachineError) -> Void) throws(MachineError) -> WatchedRun {
        let running = try RunningMachine(machine)
        do throws(MachineError) { try change(running) } catch {
            end()
            _ = try? running.report(within: .seconds(10))
            throw error
        }
        let isLookedAt = awaitAnotherRound(of: running)
        end()
        let report = try running.report(within: .seconds(10))
        return WatchedRun(findings: findings, isLookedAt: isLookedAt, report: report)
    }

    /// Gives the guest time to look at everything once more, as it is now; whether it has.
    private func awaitAnotherRound(of running: RunningMachine) -> Bool {
        // A round that has begun may have passed what changed last.
        let seen = findings.rounds
        let deadline = SuspendingClock.now + .seconds(30)
        while findings.rounds < seen + 2 {
            guard SuspendingClock.now < deadline, !running.hasEnded else { return false }
            HostThread.sleep(for: .milliseconds(2))
        }
        return true
    }

    /// What the guest's processors have seen so far.
    var findings: GuestFindings {
        (0..<vcpus).reduce(into: GuestFindings()) { findings, vcpu in
            findings.add(vcpu: vcpu) { offset in
                let address = Self.results + UInt64(vcpu) * Self.resultSize + offset
                return number(machine.read(count: 8, at: GuestAddress(address)))
            }
        }
    }

    private func write(_ value: UInt32, _ number: Int, at offset: UInt64) {
        _ = machine.write(
            littleEndian(value), at: GuestAddress(Self.entries + UInt64(number) * Self.entrySize + offset))
    }
}

/// How a run of the guest `watch` went.
struct WatchedRun {
    let findings: GuestFindings
    /// Whether the guest has looked at everything after the last change.
    let isLookedAt: Bool
    let report: RunReport

    /// Whether the guest ran to its end and saw nothing wrong.
    var isOK: Bool { report.outcome == .exited(0) && findings.errors == 0 }
}

extension RunReport {
    /// How the run ended, and the state of the vCPUs where the guest did not end it.
    var ending: String { (["\(outcome)"] + vcpus.map { "\($0)" }).joined(separator: "\n") }
}

/// What the guest `watch` has checked, and what was wrong.
struct GuestFindings {
    /// Looks at places that did not change meanwhile.
    private(set) var checks: UInt64 = 0
    private(set) var errors: UInt64 = 0
    /// How often the slowest of the processors has been through all places.
    private(set) var rounds: UInt64 = .max
    /// The first error of a processor, in words.
    private(set) var firstError: String?

    mutating func add(vcpu: Int, _ number: (_ offset: UInt64) -> UInt64) {
        checks += number(0)
        errors += number(8)
        rounds = min(rounds, number(16))
        guard number(8) > 0, firstError == nil else { return }
        let (words, more) = (number(32), number(40))
        firstError =
            "vCPU \(vcpu) at \(hexadecimal(number(24))): read \(hexadecimal(words & 0xffff_ffff)) instead of "
            + "\(hexadecimal(more & 0xffff_ffff)), and \(hexadecimal(words >> 32)) of its own word (state \(more >> 32))"
    }
}
