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
    ///
    /// - Returns: The object in the JSON.
    @discardableResult
    private func check(_ result: some Codable) throws -> [String: Any] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = try encoder.encode(result)
        #expect(try encoder.encode(JSONDecoder().decode(type(of: result), from: json)) == json)
        let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        #expect(object["schema"] as? Int == 1)
        for (label, value) in Mirror(reflecting: result).children {
            let mirror = Mirror(reflecting: value)
            let isNil = mirror.displayStyle == .optional && mirror.children.isEmpty
            #expect((object[try #require(label)] == nil) == isNil, "\(label ?? "")")
        }
        return object
    }

    @Test("a fill, to the limit and below it", arguments: [nil, 20])
    func fill(slots: Int?) throws {
        var observer = Observer.none
        let object = try check(try FillRun.run(&observer, slots: slots))
        #expect((object["addMicroseconds"] as? [String: Double]).map { Set($0.keys) } == ["p50", "p99", "max"])
    }

    @Test("a churn of one change, and of many", arguments: [1, 200])
    func churn(operations: Int) throws {
        var observer = Observer.none
        let object = try check(try ChurnRun.run(&observer, slots: 20, vcpus: 1, seed: 5, operations: operations))
        let kinds = try #require(object["kinds"] as? [String: Any])
        #expect(Set(kinds.keys) == ["create", "delete", "move", "replace", "flags", "access"])
        let summaries = ["parked", "unparked"].compactMap { object[$0] as? [String: Any] }
        #expect(summaries.count >= min(operations, 2))
        #expect(summaries.allSatisfy { Set($0.keys) == ["p50", "p99", "max", "count", "unit"] })
    }

    @Test("the toggling of a layout")
    func toggle() throws {
        var observer = Observer.none
        let layout = try #require(Layout.preset("one"))
        try check(try ToggleRun.run(&observer, layout: layout, operations: 3))
    }

    @Test("fuzzing, with and without a divergence")
    func fuzz() throws {
        var observer = Observer.none
        let result = try FuzzRun.run(&observer, seed: 3, operations: 2000)
        #expect(result.refusals.count > 3)
        try check(result)
        let diverging = try FuzzRun.run(
            &observer, seed: 3, operations: 10_000, predict: SlotVerdict.init,
            makeTarget: { _ in FakeKernel(FakeKernel.Fault.allCases.first) })
        #expect(diverging.divergences == 1 && diverging.operationList?.isEmpty == false)
        try check(diverging)
    }

    @Test("a layout, and the probe")
    func layoutAndProbe() throws {
        let layout = try #require(Layout.preset("one"))
        let (result, memory) = try PCIRun.run(
            layout, policy: .separate, decode: .strict, vcpus: 1, mayExhaustHost: false)
        #expect(result.ok && !memory.rows.isEmpty)
        try check(result)
        try check(try HostProbe.run())
    }
}
