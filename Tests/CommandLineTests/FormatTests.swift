import Foundation
import Layouts
import Machine
import Testing

@testable import swiftlet

/// Files that are read have the keys that their pages say, and no others. Needs no KVM.
@Suite("What programs write is what the pages say")
struct FormatTests {
    /// The keys that the reader of layout files knows. It names them when it finds one that it does not know, so each object of a
    /// file gets such a key in turn.
    private static func knownKeys(_ file: Any) -> Set<String> {
        places(in: file).reduce(into: []) { known, place in
            guard let data = try? JSONSerialization.data(withJSONObject: adding("?", to: file, at: place)) else {
                return
            }
            do { _ = try JSONDecoder().decode(LayoutFile.self, from: data) } catch let error as LayoutError {
                if case .unknownKey(_, let keys) = error { known.formUnion(keys) }
            } catch {}
        }
    }

    /// The ways to all objects.
    private static func places(in value: Any) -> [[String]] {
        switch value {
        case let object as [String: Any]:
            [[]] + object.flatMap { entry in places(in: entry.value).map { [entry.key] + $0 } }
        case let list as [Any]:
            list.enumerated().flatMap { entry in places(in: entry.element).map { ["\(entry.offset)"] + $0 } }
        default: []
        }
    }

    private static func adding(_ key: String, to value: Any, at place: [String]) -> Any {
        if var object = value as? [String: Any] {
            if let first = place.first, let inner = object[first] {
                object[first] = adding(key, to: inner, at: Array(place.dropFirst()))
            } else {
                object[key] = 0
            }
            return object
        }
        guard var list = value as? [Any], let number = place.first.flatMap({ Int($0) }) else { return value }
        list[number] = adding(key, to: list[number], at: Array(place.dropFirst()))
        return list
    }

    /// Objects that no example of the page has.
    private static let others = [
        #"{"name": "", "functions": [{"at": "00:01.0", "bars": [{"bar": 0, "kind": "io", "size": 4, "registers": [{}]}]}]}"#,
        record(#""regions": [{"region": "rom", "size": 0, "access": "r", "areas": [{}]}]"#),
        record(#""regions": [], "interrupts": [{}]"#),
    ]

    private static func record(_ rest: String) -> String {
        #"{"name": "", "functions": [{"at": "00:01.0", "record": {"configurationSize": 256, "configuration": {}, \#(rest)}}]}"#
    }

    @Test("of layout files, both ways")
    func layoutFiles() throws {
        let page = try FormatPage("docs/layouts.md")
        let blocks = page.blocks("json")
        for block in blocks { _ = try JSONDecoder().decode(LayoutFile.self, from: Data(block.utf8)) }
        let known = try (blocks + Self.others).reduce(into: Set<String>()) {
            $0.formUnion(Self.knownKeys(try JSONSerialization.jsonObject(with: Data($1.utf8))))
        }
        #expect(known.count > 30 && known.filter { !page.names($0) } == [], "keys that the page does not name")
        let told = page.words(inTables: "key").union(page.words(inTables: "key "))
        #expect(told.subtracting(known) == [], "keys that no file can have")
    }

    @Test("of outcomes, in the report of a run")
    func outcomes() throws {
        let page = try FormatPage("guests/README.md", "The report")
        let outcomes: [Outcome] = [
            .exited(0), .reset, .poweredOff, .panicked(""), .halted, .haltedForGood, .shutdown, .internalError(""),
            .timeout, .stopped, .interrupted(2),
        ]
        #expect(outcomes.map(\.name).filter { !page.names($0) } == [])
    }

    @Test("of suite files, both ways")
    func suiteFiles() throws {
        let page = try FormatPage("docs/suite.md", "A file")
        #expect(page.words(inTables: "key of a test") == Set(SuiteFile.Entry.CodingKeys.allCases.map(\.stringValue)))
    }

    @Test("of results as TAP and JUnit's XML, both ways")
    func results() throws {
        let page = try FormatPage("docs/suite.md", "The results as TAP and JUnit")
        let test = SuiteTest(name: "x", directory: ".", guest: "hello")
        var failed = SuiteResult.Guest(test, .failed, "status 1")
        (failed.console, failed.errors) = (["a"], ["b"])
        let guests = [SuiteResult.Guest(test, .passed, nil), failed, SuiteResult.Guest(test, .skipped, "later")]
        let result = SuiteResult(guests: guests, seconds: 1, jobs: 1, interrupted: false)
        let elements = try SVGElement.all(in: result.junit)
        let names = Set(elements.map(\.name)).union(elements.flatMap(\.attributes.keys))
        let told = page.text.components(separatedBy: "`").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        #expect(
            names.subtracting(told) == [] && Set(told.drop { $0 != "testsuite" }).subtracting(names) == ["swiftlet"])
        let lines = result.tap.split(separator: "\n").dropFirst(2).map { line in
            line.replacing("- x", with: "- NAME").replacing("later", with: "REASON")
        }
        let forms = told.map { $0.replacing("\n", with: " ") }
        for line in lines {
            #expect(
                forms.contains { line == $0 || $0.hasSuffix(" ") && line.hasPrefix($0) } || line == "# status 1",
                "\(line)")
        }
    }
}
