import Foundation
import LayoutFixtures
import LiveSupport
import Testing

@Suite("swiftlet plan and swiftlet layout", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct PlanLiveTests {
    /// The preset with the largest BARs needs gigabytes in the kernel, and the one past the limit is refused: `PlanAgreementTests`
    /// has both.
    @Test(
        "agree on every preset and dump that a machine can be made of",
        arguments: ["one", "typical-16", "typical-32", "full-bus", "workstation", "oddities", "network"],
        ["separate", "coalesced"])
    func agreement(name: String, policy: String) throws {
        let dump = try Self.dump(name)
        let arguments = [dump?.path ?? name, "--json", "--slots", policy] + (name == "network" ? Self.sizes : [])
        let plan = try report("plan", arguments)
        let layout = try report("layout", arguments)
        #expect(layout["ok"] as? Bool == true)
        #expect(layout["functions"] as? Int == plan["functions"] as? Int)
        #expect(layout["pieces"] as? [String: Int] == plan["pieces"] as? [String: Int])
        let slots = try #require(layout["slots"] as? [String: Int])
        #expect(slots["total"].map { $0 - (slots["ram"] ?? 0) } == (plan["slots"] as? [String: Int])?[policy])
        // The guest switches decode of each function off and on once while it sizes.
        let edits = try #require((layout["edits"] as? [String: [String: Int]])?["sizing"])
        #expect(edits.values.reduce(0, +) == (plan["toggle"] as? [String: Any])?["edits"] as? Int)
    }

    @Test("agree on what is past the limit")
    func pastTheLimit() throws {
        let plan = try Command("plan", "past-the-limit").run()
        #expect(plan.status == 1 && plan.output.contains("32768 separate"))
        let layout = try Command("layout", "past-the-limit").run()
        // One more, for the RAM.
        #expect(layout.status == 70 && layout.errors.contains("32769 memory slots"))
    }

    @Test("a plan for this host has its limit")
    func host() throws {
        let json = try report("plan", ["one", "--json", "--kernel", "host"])
        let probe = try report("probe", ["--json"])
        let budgets = try #require(json["budgets"] as? [[String: Any]])
        #expect(budgets.first { $0["name"] as? String == "slots" }?["limit"] as? Int == probe["slotLimit"] as? Int)
    }

    private static let sizes = [("0", "1M"), ("2", "64K"), ("rom", "512K")].flatMap {
        ["--size", "03:00.0/\($0)=\($1)"]
    }

    private static func dump(_ name: String) throws -> TemporaryFile? {
        let text: String
        switch name {
        case "workstation": text = LspciText.workstation()
        case "oddities": text = LspciText.oddities
        case "network": text = "03:00.0 Ethernet controller: Example\n" + ConfigBytes.network.text + "\n"
        default: return nil
        }
        return try TemporaryFile(Array(text.utf8))
    }

    private func report(_ name: String, _ arguments: [String]) throws -> [String: Any] {
        var command = Command(name)
        command.arguments += arguments
        let result = try command.run()
        #expect(result.status == 0, "\(result.errors)")
        return try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }
}
