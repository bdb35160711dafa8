import Board
import Layouts
import LiveSupport
import Machine
import Memslots
import PCI
import Testing

@testable import Laboratory

@Suite("Stress scenarios", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ScenarioLiveTests {
    /// Lets a scenario be told so often before it is interrupted.
    private static func observer(interruptedAfter count: Int) -> Observer {
        var told = 0
        return Observer { _ in
            told += 1
            return told <= count
        }
    }

    // MARK: Fill

    @Test("KVM's limit is reached, and one more is refused as predicted")
    func fillToTheLimit() throws {
        var observer = Observer.none
        let result = try FillRun.run(&observer)
        #expect(result.ok && result.created == result.limit && result.limit >= 509)
        #expect(result.refused?.isAsPredicted == true && result.refused?.rule == .slotID)
        #expect(result.addMicroseconds?.latencies?.count == result.created)
        #expect(result.deleteMicroseconds?.latencies?.count == result.created)
        #expect(result.tableBytes <= 64 * result.created)
    }

    @Test("fewer slots are no failure, and none or too many are refused")
    func fillSome() throws {
        var observer = Observer.none
        let result = try FillRun.run(&observer, slots: 100)
        #expect(result.ok && result.created == 100 && result.refused == nil)
        for slots in [0, -1, 32_765, .max] {
            #expect(throws: MachineError.self) { try FillRun.run(&observer, slots: slots) }
        }
    }

    @Test("an interrupted fill says what it reached")
    func interruptedFill() throws {
        var observer = Self.observer(interruptedAfter: 0)
        let result = try FillRun.run(&observer)
        #expect(result.interrupted && !result.ok && result.created == 0)
    }

    // MARK: Churn

    @Test("the guest never sees wrong bytes", arguments: [1, 2], [2, 40])
    func churn(vcpus: Int, slots: Int) throws {
        let seed = UInt64.random(in: .min ... .max)
        var observer = Observer.none
        let result = try ChurnRun.run(&observer, slots: slots, vcpus: vcpus, seed: seed, operations: 400)
        #expect(result.ok, "seed \(seed): \(result.problem ?? "")")
        let (parked, unparked) = (result.parked?.count ?? 0, result.unparked?.count ?? 0)
        #expect(result.operations == 400 && parked + unparked == 400)
        #expect(parked > 100 && unparked > 100)
    }

    @Test("slots that there are not are refused, and so is no time at all for one slot")
    func churnOfWrongSize() throws {
        var observer = Observer.none
        for slots in [0, 1, 40_000] {
            #expect(throws: MachineError.self) {
                try ChurnRun.run(&observer, slots: slots, vcpus: 1, seed: 1, operations: 1)
            }
        }
    }

    // MARK: Toggle

    @Test("decode goes off and on in all four ways, and what traps goes on trapping", arguments: ["one", "typical-16"])
    func toggle(name: String) throws {
        var observer = Observer.none
        let layout = try #require(Layout.preset(name))
        let result = try ToggleRun.run(&observer, layout: layout, operations: 40)
        #expect(result.ok && result.partList.count == 4)
        for part in result.partList {
            #expect(part.toggles == 40 && part.guestChecks > 0 && part.toggleMicroseconds?.count == 40)
            #expect((part.edits == 0) == (part.decode == .lazy), "\(part.policy) \(part.decode)")
            #expect(part.editCounts.created == part.editCounts.deleted || part.policy == .coalesced)
        }
        #expect(result.generationWraps == 0)
    }

    // MARK: The guest that watches

    /// A page that the guest watches, and what it is told of it.
    private func findings(
        mapping access: Access?, telling state: WatchedPlaces.State, vcpus: Int
    ) throws -> GuestFindings {
        var (image, configuration) = try WatchedPlaces.configuration(vcpus: vcpus)
        configuration.spareMemory = 4096
        let machine = try GuestMachine(configuration, flat: image)
        let page = try #require(GuestRange(first: AddressMap.standard.apertures.low.first, size: 4096))
        if let access {
            try machine.changeMemory(
                adding: [Mapping(range: page, backing: try machine.allocate(4096), access: access, owner: .other(0))])
            #expect(machine.write(Label(number: 7).bytes, at: page.first))
        }
        var watched = WatchedPlaces(machine, vcpus: vcpus)
        watched.add(page.first, showing: state)
        let running = try machine.start()
        let deadline = SuspendingClock.now + .seconds(20)
        while watched.findings.rounds < 2, .now < deadline, !running.hasEnded {}
        watched.end()
        #expect(try running.report(within: .seconds(20)).outcome == .exited(0))
        return watched.findings
    }

    @Test("the guest agrees with what is so", arguments: [1, 3])
    func truths(vcpus: Int) throws {
        let truths: [(Access?, WatchedPlaces.State)] = [
            (nil, .absent), (.readWrite, .memory(Label(number: 7).word, .readWrite)),
            (.readOnly, .memory(Label(number: 7).word, .readOnly)), (nil, .register(.max)),
        ]
        for (access, state) in truths {
            let findings = try findings(mapping: access, telling: state, vcpus: vcpus)
            #expect(findings.errors == 0 && findings.checks > 0, "\(state): \(findings)")
        }
    }

    @Test("each of its processors notices what is not so", arguments: [1, 3])
    func lies(vcpus: Int) throws {
        let lies: [(Access?, WatchedPlaces.State)] = [
            (nil, .memory(Label(number: 7).word, .readWrite)), (.readWrite, .absent), (.readOnly, .absent),
            (.readWrite, .memory(Label(number: 8).word, .readWrite)),
            (.readWrite, .memory(Label(number: 7).word, .readOnly)),
            (.readOnly, .memory(Label(number: 7).word, .readWrite)), (.readWrite, .register(1)),
        ]
        for (access, state) in lies {
            let findings = try findings(mapping: access, telling: state, vcpus: vcpus)
            #expect(findings.errors >= UInt64(2 * vcpus), "\(state): \(findings)")
            #expect(findings.firstError?.contains("0xd0000000") == true)
        }
    }
}
