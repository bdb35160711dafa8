import Foundation
import Layouts
import LiveSupport
import Memslots
import PCI
import Testing

@testable import Laboratory

/// The JSON of results, as commands print it.
@Suite("Results", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ResultLiveTests {
    /// Encodes a result, and expects that the JSON has the version 1 and says all that the result says.
    private func check<Result: Codable & Equatable>(_ result: Result) throws {
        let json = try JSONEncoder().encode(result)
        #expect(try JSONDecoder().decode(Result.self, from: json) == result)
        let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        #expect(object["schema"] as? Int == 1)
    }

    private func run<Trial: Experiment>(_ experiment: Trial) throws -> Trial.Result {
        var observer = Observer.none
        return try experiment.run(&observer)
    }

    @Test("a fill, to the limit and below it", arguments: [nil, 20])
    func fill(slots: Int?) throws {
        try check(try run(FillRun(slots: slots)))
    }

    @Test("a churn of one change, and of many", arguments: [1, 200])
    func churn(operations: Int) throws {
        let result = try run(ChurnRun(slots: 20, vcpus: 1, seed: 5, operations: operations))
        try check(result)
        let json = try JSONEncoder().encode(result)
        let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        let kinds = try #require(object["kinds"] as? [String: Any])
        #expect(Set(kinds.keys) == ["create", "delete", "move", "replace", "flags", "access"])
    }

    @Test("the toggling of a layout")
    func toggle() throws {
        try check(try run(ToggleRun(try #require(Layout.preset("one")), operations: 3)))
    }

    @Test("fuzzing, with and without a divergence")
    func fuzz() throws {
        let result = try run(FuzzRun(seed: 3, operations: 2000))
        #expect(result.refusals.count > 3)
        try check(result)
        var observer = Observer.none
        let diverging = try FuzzRun(seed: 3, operations: 10_000).run(
            &observer, predict: SlotVerdict.init, makeTarget: { FakeKernel(FakeKernel.Fault.allCases.first) })
        #expect(diverging.divergences == 1 && diverging.operationList?.isEmpty == false)
        try check(diverging)
    }

    @Test("a layout, and the probe")
    func layoutAndProbe() throws {
        let layout = try #require(Layout.preset("one"))
        let result = try PCIRun(layout, policy: .separate, decode: .strict, vcpus: 1, mayExhaustHost: false).run()
        #expect(result.ok && result.memory?.rows.isEmpty == false)
        try check(result)
        try check(try HostProbe.run())
    }
}
