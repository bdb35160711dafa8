import LiveSupport
import Machine
import Memslots
import PropertySupport
import Testing

@testable import Laboratory

/// The rules, whole and broken on purpose, against the KVM of this host.
@Suite("Fuzzing KVM", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct FuzzLiveTests {
    private func run(
        seed: UInt64, operations: Int, predict: @escaping SlotVerdict.Predict = SlotVerdict.init
    ) throws -> FuzzResult {
        var observer = Observer.none
        return try FuzzRun.run(
            &observer, seed: seed, operations: operations, predict: predict, makeTarget: BareMachine.forFuzzing)
    }

    @Test("KVM answers as the rules predict, and the guest sees what the slots show", arguments: propertySeeds)
    func noDivergence(seed: UInt64) throws {
        let run = try run(seed: seed, operations: 20_000)
        #expect(run.ok, "seed \(seed): \(run.smallestTrace.map { "\($0)" } ?? "")")
        #expect(run.reads > 200)
        let offered = try BareMachine(memory: 4096, features: Set(FuzzFeature.allCases)).features
        #expect(Set(run.features.filter { $0.value > 0 }.keys) == offered, "seed \(seed)")
        if offered.contains(.guestMemory) {
            #expect(Set(run.guestMemoryRefusals.keys) == Set(GuestMemoryRule.allCases), "seed \(seed)")
        }
    }

    @Test(
        "a rule that is left out is found within 10,000 operations and shrunk to five or fewer",
        arguments: Set(SlotRule.allCases).subtracting([.freeSlot]))
    func missingRule(_ rule: SlotRule) throws {
        let seed = UInt64.random(in: .min ... .max)
        let run = try run(seed: seed, operations: 10_000) { table, request in
            let verdict = SlotVerdict(of: table, on: request)
            return verdict == .refused(rule) ? .accepted(.none) : verdict
        }
        let trace = try #require(run.smallestTrace, "seed \(seed)")
        #expect(trace.operations.count <= 5, "seed \(seed): \(trace.operations)")
        #expect(trace.divergence?.contains("predicted: accepted") == true)
        var observer = Observer.none
        #expect(try FuzzRun.replay(&observer, trace).ok, "the rules as they are explain it")
    }

    @Test("the replay of a long file can be ended")
    func endedReplay() throws {
        let trace = FuzzTrace(
            seed: 1, divergence: "", operations: (0..<1000).map { _ in .read(GuestAddress(0)) }, features: [])
        var observer = Observer { _ in false }
        let result = try FuzzRun.replay(&observer, trace)
        #expect(result.interrupted && result.operations < 1000)
    }

    @Test("a file may not change the slot that holds the guest's code", arguments: [0, Page.size])
    func codeSlot(size: UInt64) throws {
        let code = try #require(try BareMachine.forFuzzing([]).codeSlot).slot
        let request = FuzzRequest(
            slot: code, flags: 0, guestAddress: BareMachine.codeAddress.rawValue, size: size, host: .memory(0))
        let trace = FuzzTrace(
            seed: 1, divergence: "", operations: [.request(request), .read(GuestAddress(0))], features: [])
        var observer = Observer.none
        #expect { try FuzzRun.replay(&observer, trace) } throws: { "\($0)".contains("slot \(code) holds the code") }
        let lines: [FuzzRecordLine] = [
            .header(seed: 1, kernel: ""), .machine([]), .operation(.request(request), answer: "accepted"), .end,
        ]
        #expect { try FuzzComparison.run(&observer, lines) } throws: { "\($0)".contains("slot \(code) holds the code") }
    }

    /// What the rules could wrongly refuse.
    enum Excess: CaseIterable {
        case touching, moveOverItself, flags, sameAgain, lastPage, anyDirtyLogging

        func refuses(_ change: SlotChange, _ table: MemslotTable) -> Bool {
            switch (self, change) {
            case (.touching, .create(let slot)):
                table.all.contains { $0.range.isFollowed(by: slot.range) || slot.range.isFollowed(by: $0.range) }
            case (.moveOverItself, .move(let from, let to)): from.range.overlaps(to.range)
            case (.flags, .setFlags), (.sameAgain, .none): true
            case (.lastPage, .create(let slot)): slot.range.last == table.limits.highestGuestAddress
            case (.anyDirtyLogging, .create(let slot)): slot.flags == .all
            default: false
            }
        }
    }

    @Test("a rule that goes too far is found as well", arguments: Excess.allCases)
    func excess(_ excess: Excess) throws {
        let seed = UInt64.random(in: .min ... .max)
        let run = try run(seed: seed, operations: 10_000) { table, request in
            let verdict = SlotVerdict(of: table, on: request)
            guard case .accepted(let change) = verdict, excess.refuses(change, table) else { return verdict }
            return .refused(.noOverlap)
        }
        let trace = try #require(run.smallestTrace, "seed \(seed)")
        #expect(trace.operations.count <= 5, "seed \(seed): \(trace.operations)")
        #expect(trace.divergence?.contains("KVM: accepted") == true)
    }

    @Test("a record is answered on the same kernel as it was, and a changed answer is told")
    func record() throws {
        var observer = Observer.none
        var lines = [FuzzRecordLine.header(seed: 9, kernel: "here")]
        let run = try FuzzRun.run(&observer, seed: 9, operations: 12_000) { lines.append($0) }
        #expect(run.ok && lines.count > 12_000)
        let same = try FuzzComparison.run(&observer, lines)
        #expect(same.ok && same.operations == lines.count - 4 && same.skippedMachines == 0, "\(same.differenceList)")
        // The first answer of the first machine is changed: the rest of that machine is not compared.
        guard case .operation(let operation, _) = lines[2] else { throw Failure() }
        lines[2] = .operation(operation, answer: "E2BIG")
        let changed = try FuzzComparison.run(&observer, lines)
        #expect(!changed.ok && changed.differences == 1)
        #expect(changed.differenceList.first?.contains("recorded: E2BIG") == true)
    }

    private struct Failure: Error {}
}
