import Foundation
import Laboratory
import LiveSupport
import Testing

@testable import swiftlet

@Suite("swiftlet prices and compare", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct PricesLiveTests {
    private func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("the keys of a list, which compares with itself as equal")
    func list() throws {
        let directory = try TemporaryDirectory()
        let names = ["create", "delete", "flags-on", "call-out"]
        let result = try Command(
            "prices", "--vcpus", "0,1", "--only", names.joined(separator: ","), "--json", "--title", "My prices",
            "--plot",
            directory.file("p.svg")
        ).run()
        #expect(result.status == 0, "\(result.errors)")
        let object = try json(result.output)
        let rows = try #require(object["rowList"] as? [[String: Any]])
        let cells = rows.compactMap { $0["cell"] as? [String: Any] }
        #expect(Set(cells.compactMap { $0["operation"] as? String }) == Set(names))
        let row = try #require(rows.first { ($0["cell"] as? [String: Any])?["activity"] as? String == "spin" })
        #expect((row["medians"] as? [Double])?.count == (row["referenceMedians"] as? [Double])?.count)
        for key in ["microseconds", "systemCalls"] {
            let summary = try #require(row[key] as? [String: Any])
            #expect(Set(summary.keys) == ["p50", "p99", "max", "count", "unit"])
        }
        #expect((row["witness"] as? [String: Double]).map { Set($0.keys) } == ["lostShare", "lostMicroseconds"])
        let environment = try #require(object["environment"] as? [String: Any])
        #expect(environment["schema"] as? String == "swiftlet prices 1")
        let plot = try String(contentsOfFile: directory.file("p.svg"), encoding: .utf8)
        #expect(plot.contains(">My prices</text>") && plot.contains("KVM: ") && plot.contains("call-out/4K/32/1-spin"))

        let file = try TemporaryFile(Array(result.output.utf8))
        let same = try Command("compare", file.path, file.path, "--json").run()
        let verdicts = try #require(try json(same.output)["rowList"] as? [[String: Any]]).map {
            $0["verdict"] as? String
        }
        #expect(same.status == 0 && verdicts.allSatisfy { $0 == "equal" } && verdicts.count == rows.count)

        let slower = try TemporaryFile(Array(try Self.scaled(object, by: 3).utf8))
        let compared = try Command("compare", file.path, slower.path).run()
        #expect(compared.status == 1 && compared.output.contains("slower") && compared.errors.contains("threshold"))
        #expect(try Command("compare", slower.path, file.path).run().status == 0)
    }

    /// A list whose prices are so many times as high, in rounds that are all alike.
    private static func scaled(_ object: [String: Any], by factor: Double) throws -> String {
        var object = object
        object["rowList"] = (object["rowList"] as? [[String: Any]])?.map { row in
            var row = row
            let medians = row["medians"] as? [Double] ?? []
            row["medians"] = medians.map { _ in (medians.max() ?? 0) * factor * 10 }
            return row
        }
        return String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
    }

    @Test("the operations are listed")
    func operations() throws {
        let result = try Command("prices", "--list").run()
        #expect(result.status == 0)
        for operation in PriceOperation.allCases { #expect(result.output.contains("\n\(operation.rawValue) ")) }
    }

    @Test("what cannot be is said before any work")
    func usage() throws {
        for arguments in [
            ["--only", "no-such"], ["--only", "create,,move"], ["--vcpus", "0,x"], ["--vcpus", "1,1"],
            ["--vcpus", "256"], ["--vcpus", "0,1,2,3,4"], ["--vcpus", "0", "--only", "call-out"],
        ] {
            var command = Command("prices")
            command.arguments += arguments
            let result = try command.run()
            #expect(result.status == 64 && result.output.isEmpty && !result.errors.isEmpty, "\(arguments)")
        }
        #expect(try Command("compare", "a", "b", "--threshold", "0.5").run().status == 64)
    }

    @Test("files of another kind, and cut ones, are refused by name")
    func badFiles() throws {
        let probe = try Command("probe", "--json").run()
        let other = try TemporaryFile(Array(probe.output.utf8))
        let cut = try TemporaryFile(Array(probe.output.utf8.dropLast(20)))
        let bare = try TemporaryFile(Array("{}".utf8))
        let lines = try TemporaryFile(Array("{\n\"environment\": {\n}\n,,}".utf8))
        let list = try Command("prices", "--vcpus", "0", "--only", "no-op", "--json").run().output
        let operation = try TemporaryFile(
            Array(list.replacing(#""operation":"no-op""#, with: #""operation":"x""#).utf8))
        let medians = try TemporaryFile(Array(list.replacing(#""medians":["#, with: #""medians":["x","#).utf8))
        for (file, words) in [
            (other, "swiftlet probe 1"), (cut, "JSON"), (bare, "environment is missing"), (lines, "line 4"),
            (operation, "rowList[0].cell.operation"), (medians, "rowList[0].medians[0]"),
        ] {
            let result = try Command("compare", file.path, other.path).run()
            #expect(result.status == 65 && result.errors.contains(words) && result.errors.contains(file.path))
        }
        #expect(try Command("compare", "/nowhere.json", other.path).run().status == 65)
    }

    @Test("Ctrl-C ends a list with 130 and what was measured")
    func interruption() throws {
        var command = Command("prices", "--vcpus", "1", "--json")
        command.meddle = { process in
            process.waitUntilSignalsAreTaken()
            process.interrupt()
        }
        let result = try command.run()
        #expect(result.status == 130 && result.errors.contains("interrupted"), "\(result.errors)")
        let object = try json(result.output)
        #expect(object["interrupted"] as? Bool == true && object["unmeasured"] is [Any])
    }

    @Test(
        "every measuring command says in which environment",
        arguments: [
            ["stress", "fill", "--slots", "5"], ["stress", "churn", "--operations", "5", "--seed", "9"],
            ["stress", "toggle", "one", "--operations", "1"], ["stress", "fuzz", "--operations", "5", "--seed", "9"],
            ["layout", "one"], ["probe"],
        ])
    func environment(arguments: [String]) throws {
        var command = Command("--json")
        command.arguments = arguments + ["--json"]
        let object = try json(try command.run().output)
        let environment = try #require(object["environment"] as? [String: Any])
        let name = arguments.prefix { !$0.hasPrefix("-") && $0 != "one" }.joined(separator: " ")
        #expect(environment["schema"] as? String == "swiftlet \(name) 1")
        #expect(environment["seed"] as? Int == (arguments.contains("--seed") ? 9 : nil))
        for key in ["kernel", "cpuModel", "kvm", "swiftlet", "date"] { #expect(environment[key] is String, "\(key)") }
        #expect(environment["parameters"] is [String: Any] && environment["cpus"] is Int)
        #expect(object["schema"] as? Int == 1)
    }
}
