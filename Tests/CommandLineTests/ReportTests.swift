import Foundation
import LayoutFixtures
import Layouts
import Testing

@testable import swiftlet

/// Needs no KVM.
@Suite struct ReportTests {
    @Test("the report of a plan has a key for all that there is to say", arguments: ["one", "full-bus", "hgx-8"])
    func plan(name: String) throws {
        let layout = try #require(Layout.preset(name))
        let text = LspciText.gpu("01:00.0") + "02:00.0 Ethernet controller: x\n"
        let warnings = try Layout.read(TextDumpReader.read(Array(text.utf8)), name: "dump").warnings
        let report = PlanReport(try Plan(layout), warnings: warnings)
        let read = try JSONSerialization.jsonObject(with: Data(try encodeJSON(report)))
        let object = try #require(read as? [String: Any])
        #expect(object["schema"] as? Int == 1 && (object["warnings"] as? [String])?.count == 1)
        for (label, value) in Mirror(reflecting: report).children {
            let mirror = Mirror(reflecting: value)
            let isNil = mirror.displayStyle == .optional && mirror.children.isEmpty
            #expect((object[try #require(label)] == nil) == isNil, "\(label ?? "")")
        }
        let budgets = try #require(object["budgets"] as? [[String: Any]])
        #expect(budgets.count == report.budgets.count)
        for (budget, expected) in zip(budgets, report.budgets) {
            #expect(budget["name"] as? String == expected.name && budget["fits"] as? Bool == expected.fits)
            #expect(budget["condition"] as? String == expected.condition)
            for (key, amount) in [("need", expected.need), ("limit", expected.limit)] {
                let text = "0x" + String(amount, radix: 16)
                let isAddress = expected.unit == .address
                let isWritten = isAddress ? budget[key] as? String == text : budget[key] as? UInt64 == amount
                #expect(isWritten, "\(expected.name) \(key)")
            }
        }
    }
}
