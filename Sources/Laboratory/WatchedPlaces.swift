internal import Host
internal import KVM
internal import Machine
internal import Memslots

/// The table in guest memory by which the monitor tells the built-in guest `watch` what each watched place shows.
/// `guests/watch.S` describes the table.
///
/// The monitor announces a place before the place changes, and says afterwards what the place shows. The guest counts its
/// checks and the errors that it finds.
struct WatchedPlaces {
    /// What the guest finds at a place.
    enum State: Hashable {
        /// No memory and no device.
        case absent
        /// Memory that begins with this word.
        case memory(UInt32, Access)
        /// A register of a device, with this value. The guest does not write to it.
        case register(UInt32)
    }

    let machine: GuestMachine
    private var places: [(address: UInt64, sequence: UInt32)] = []
    private let vcpus: Int

    private static let stop = GuestAddress(0x10_0000)
    private static let count = GuestAddress(0x10_0008)
    private static let work = GuestAddress(0x10_0010)
    private static let walked = GuestAddress(0x10_0018)
    private static let entries: UInt64 = 0x10_0040
    private static let entrySize: UInt64 = 32
    private static let results: UInt64 = 0x30_0000
    private static let resultSize: UInt64 = 64
    /// Pages of the guest's own RAM, which the guest watches as well.
    private static let ownPages = stride(from: UInt64(0x38_0000), to: 0x38_8000, by: 0x1000)

    /// Returns the image of a guest that watches places, and the configuration that the guest needs. The experiment adds its own
    /// needs.
    static func configuration(
        of name: String = "watch", vcpus: Int, mayExhaustHost: Bool = false
    ) throws(MachineError) -> (image: [UInt8], configuration: MachineConfiguration) {
        guard (1...255).contains(vcpus) else {
            throw .experiment("\(vcpus) vCPUs: the guest starts 1 to 255, which APIC numbers of 8 bits tell apart")
        }
        guard let guest = BuiltInGuest.named(name) else { preconditionFailure("the guest `\(name)` is built in") }
        var configuration = guest.configuration
        (configuration.vcpus, configuration.mayExhaustHost) = (vcpus, mayExhaustHost)
        if vcpus > 1 { configuration.interruptController = .kernel }
        return (guest.image, configuration)
    }

    /// Makes a table that has only the pages of the guest's own RAM.
    init(_ machine: GuestMachine, vcpus: Int) {
        self.machine = machine
        self.vcpus = vcpus
        for (number, address) in Self.ownPages.enumerated() {
            let label = 0x3a00_0000 | UInt32(number)
            _ = machine.write(littleEndian(label), at: GuestAddress(address))
            add(GuestAddress(address), showing: .memory(label, .readWrite))
        }
    }

    /// Adds a place below 4 GiB, or moves an old place there.
    ///
    /// - Returns: The number of the place.
    @discardableResult
    mutating func add(_ address: GuestAddress, showing state: State, at old: Int? = nil) -> Int {
        let number = old ?? places.count
        if old == nil { places.append((0, 1)) }
        hide(number)
        places[number].address = address.rawValue
        write(UInt32(truncatingIfNeeded: address.rawValue), number, at: 0)
        write(UInt32(truncatingIfNeeded: address.rawValue >> 32), number, at: 4)
        show(state, at: number)
        _ = machine.write(littleEndian(UInt32(places.count)), at: Self.count)
        return number
    }

    /// Lets the processors halt instead of watching. The guest must not have begun.
    func halt() {
        _ = machine.write(littleEndian(UInt32(1)), at: Self.work)
    }

    /// Lets the processors write to the pages of a range over and over instead of watching. Each write counts as a check. The
    /// guest must not have begun.
    func walk(_ range: GuestRange) {
        let ends = littleEndian(range.first.rawValue) + littleEndian(range.first.rawValue + range.size)
        _ = machine.write(ends, at: Self.walked)
        _ = machine.write(littleEndian(UInt32(2)), at: Self.work)
    }

    /// Announces places, calls `change`, and says what the places show from then on.
    ///
    /// - Parameter changed: The places that `change` changes, and their new states.
    /// - Returns: The time of `change`.
    mutating func change(
        _ changed: [(number: Int, state: State)], _ change: () throws(MachineError) -> Void
    ) throws(MachineError) -> Duration {
        for (number, _) in changed { hide(number) }
        let time = try measure(change)
        for (number, state) in changed { show(state, at: number) }
        return time
    }

    /// Announces a place. Whatever the guest finds there is no error, until `show` says what the place shows.
    mutating func hide(_ number: Int) {
        places[number].sequence |= 1
        write(places[number].sequence, number, at: 8)
    }

    /// Says what a place shows from now on.
    private mutating func show(_ state: State, at number: Int) {
        let (kind, label): (UInt32, UInt32) =
            switch state {
            case .absent: (0, .max)
            case .memory(let label, .readWrite): (1, label)
            case .memory(let label, .readOnly): (2, label)
            case .register(let value): (3, value)
            }
        write(kind, number, at: 12)
        write(label, number, at: 16)
        // The sequence number is even again, and another one than before.
        places[number].sequence = (places[number].sequence &+ 1) & ~1
        write(places[number].sequence, number, at: 8)
    }

    /// Tells the guest to end.
    func end() {
        _ = machine.write(littleEndian(UInt32(1)), at: Self.stop)
    }

    /// Starts the guest and calls `change`, which changes the machine. Then lets the guest look at everything once more, and
    /// ends it.
    func run(_ change: (RunningMachine) throws(MachineError) -> Void) throws(MachineError) -> WatchedRun {
        let running = try machine.start()
        do throws(MachineError) { try change(running) } catch {
            end()
            _ = try? running.report(within: .seconds(10))
            throw error
        }
        let isLookedAt = awaitAnotherRound(of: running)
        end()
        let report = try running.report(within: .seconds(10))
        if case .kvmFailure(let errno) = report.outcome { throw .kvm(KVMError(request: "KVM_RUN", errno: errno)) }
        return WatchedRun(findings: findings, isLookedAt: isLookedAt, report: report)
    }

    /// Waits until the guest has looked at everything in its present state.
    ///
    /// - Returns: Whether the guest has done so within 30 seconds.
    private func awaitAnotherRound(of running: RunningMachine) -> Bool {
        // The current round may already have passed the place that changed last.
        let seen = findings.rounds
        let deadline = SuspendingClock.now + .seconds(30)
        while findings.rounds < seen + 2 {
            guard SuspendingClock.now < deadline, !running.hasEnded else { return false }
            HostThread.sleep(for: .milliseconds(2))
        }
        return true
    }

    /// The counts that the guest's processors have written so far.
    var findings: GuestFindings {
        (0..<vcpus).reduce(into: GuestFindings()) { findings, vcpu in
            let start = Self.results + UInt64(vcpu) * Self.resultSize
            findings.add(vcpu: vcpu, (0..<6).map { number(machine.read(count: 8, at: GuestAddress(start + 8 * $0))) })
        }
    }

    private func write(_ value: UInt32, _ number: Int, at offset: UInt64) {
        _ = machine.write(
            littleEndian(value), at: GuestAddress(Self.entries + UInt64(number) * Self.entrySize + offset))
    }
}

/// The end of a run of the guest `watch`.
struct WatchedRun {
    let findings: GuestFindings
    /// Whether the guest has looked at everything after the last change.
    let isLookedAt: Bool
    let report: RunReport

    /// Whether the guest ran to its end and saw nothing wrong.
    var isOK: Bool { report.outcome == .exited(0) && findings.errors == 0 }
}

/// The checks of the guest `watch`, and the errors that it found.
struct GuestFindings {
    /// The number of checks of places that did not change meanwhile.
    private(set) var checks: UInt64 = 0
    private(set) var errors: UInt64 = 0
    /// The number of checks of the processor that has made the fewest.
    private(set) var slowestChecks: UInt64 = .max
    /// The number of rounds through all places that the slowest processor has finished.
    private(set) var rounds: UInt64 = .max
    /// The first error of a processor, in words.
    private(set) var firstError: String?

    /// Adds the numbers that a processor has written to memory.
    mutating func add(vcpu: Int, _ results: [UInt64]) {
        checks += results[0]
        errors += results[1]
        (slowestChecks, rounds) = (min(slowestChecks, results[0]), min(rounds, results[2]))
        guard results[1] > 0, firstError == nil else { return }
        let (words, more) = (results[4], results[5])
        firstError =
            "vCPU \(vcpu) at \(hexadecimal(results[3])): read \(hexadecimal(words & 0xffff_ffff)) instead of "
            + "\(hexadecimal(more & 0xffff_ffff)), and \(hexadecimal(words >> 32)) of its own word (state \(more >> 32))"
    }
}
