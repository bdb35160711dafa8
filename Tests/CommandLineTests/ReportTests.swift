import Foundation
import Layouts
import Testing

@testable import swiftlet

/// Needs no KVM.
@Suite struct ReportTests {
    @Test("the report of a plan is the same after it was written and read", arguments: ["one", "full-bus", "hgx-8"])
    func plan(name: String) throws {
        let layout = try #require(Layout.preset(name))
        let report = PlanReport(try Plan(layout), warnings: ["a warning"])
        let read = try JSONDecoder().decode(PlanReport.self, from: Data(try encodeJSON(report)))
        #expect(read == report && read.schema == 1)
    }
}
