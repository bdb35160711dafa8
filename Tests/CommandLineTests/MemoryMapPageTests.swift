import Foundation
import LayoutFixtures
import Testing

@Suite("The page with the map")
struct MemoryMapPageTests {
    struct Map: Decodable {
        let title, facts: String
        let names: [String: String]
        let areaList, windowList, pieceList: [Item]
        let policyList: [Policy]
        let used: Item?
    }

    struct Item: Decodable {
        let first, last: String
        let kind, owner, backing: String?
        let slot, mappings: Int?
        let tdpBytes, shadowBytes: UInt64?
    }

    struct Policy: Decodable {
        let policy: String
        let slotList: [Item]
    }

    /// The page that a command draws, and the data in it.
    private func page(_ arguments: String..., status: Int32 = 0) throws -> (text: String, map: Map) {
        let directory = FileManager.default.temporaryDirectory.appending(path: "swiftlet-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appending(path: "map.html")
        var command = Command()
        command.arguments = arguments + ["--map", file.path]
        let result = try command.run()
        #expect(result.status == status, "\(result.errors)")
        let text = try String(contentsOf: file, encoding: .utf8)
        let data = try #require(text.components(separatedBy: "type=\"application/json\">").last)
        let json = try #require(data.components(separatedBy: "</script>").first)
        return (text, try JSONDecoder().decode(Map.self, from: Data(json.utf8)))
    }

    @Test(
        "says that a plan does not fit",
        arguments: [
            (["hgx-8", "--address-bits", "39"], "does not fit: addresses as if the apertures had no end  ·"),
            (["full-bus", "--kernel", "2.6.32"], "does not fit  ·"),
        ])
    func verdict(arguments: [String], words: String) throws {
        let map = try page("plan", arguments[0], arguments[1], arguments[2], status: 1).map
        #expect(map.facts.hasPrefix(words), "\(map.facts)")
    }

    @Test("has every piece, and the slots of both policies", arguments: [("typical-16", 80), ("full-bus", 2304)])
    func pieces(layout: String, count: Int) throws {
        let (text, map) = try page("plan", layout)
        #expect(map.title == "\(layout), separate, planned" && map.facts.hasPrefix("fits  ·"))
        #expect(map.pieceList.count == count && map.pieceList.allSatisfy { $0.backing == nil })
        let plan = try Command("plan", layout, "--json").run()
        let slots = try #require(
            (JSONSerialization.jsonObject(with: Data(plan.output.utf8)) as? [String: Any])?["slots"] as? [String: Int])
        for policy in map.policyList {
            #expect(policy.slotList.count == slots[policy.policy], "\(policy.policy)")
            #expect(policy.slotList.reduce(0) { $0 + ($1.mappings ?? 0) } == slots["separate"])
            #expect(policy.slotList.allSatisfy { ($0.tdpBytes ?? 0) > 0 && ($0.shadowBytes ?? 0) > ($0.tdpBytes ?? 0) })
        }
        // It asks nothing of a network.
        #expect(!text.contains("http") && !text.contains("src=") && !text.contains("import "))
    }

    @Test(
        "opens at what is used, and without 64-bit BARs far above",
        arguments: [
            ("one", "0xd0000000", "0xd0000fff"), ("typical-16", "0xd0000000", "0x10003ffff"),
            ("hgx-8", "0x100000000", "0x23fffffffff"), ("server-8-gpus", "0xd0000000", "0xffffffff"),
        ])
    func used(layout: String, first: String, last: String) throws {
        let used = try #require(try page("plan", layout).map.used)
        #expect(used.first == first && used.last == last)
    }

    @Test("has the title that it is given") func title() throws {
        #expect(try page("plan", "one", "--title", "A <title>").map.title == "A <title>")
    }

    @Test("has the names of functions, and so has the drawing")
    func names() throws {
        let dump = try TemporaryFile(Array(LspciText.gpu("01:00.0").utf8))
        let name = "VGA compatible controller: Example Graphics Adapter"
        #expect(try page("plan", dump.path).map.names == ["01:00.0": name])
        let directory = try TemporaryDirectory()
        #expect(try Command("plan", dump.path, "--map", directory.file("m.svg")).run().status == 0)
        let texts = try SVGElement.all(in: String(contentsOfFile: directory.file("m.svg"), encoding: .utf8)).map(\.text)
        #expect(texts.contains { $0.hasPrefix("01:00.0 \(name)") })
        #expect(texts.contains { $0.hasPrefix("01:00.0 BAR 0\n\(name)\n0x") })
    }

    @Test("has the windows of bridges, outer ones first")
    func windows() throws {
        let map = try page("plan", "server-8-gpus").map
        #expect(map.windowList.contains { $0.owner?.hasSuffix("memory window") == true })
        let firsts = map.windowList.compactMap { UInt64($0.first.dropFirst(2), radix: 16) }
        #expect(firsts == firsts.sorted())
    }

    @Test("cannot be left by a name")
    func escapes() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "swiftlet-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appending(path: "layout.json")
        let name = "<!--</script><b>"
        let bars = "[{\"bar\": 0, \"kind\": \"memory32\", \"size\": \"4K\"}]"
        let layout = "{\"name\": \"\(name)\", \"functions\": [{\"at\": \"00:02.0\", \"bars\": \(bars)}]}"
        try Data(layout.utf8).write(to: file)
        let map = try page("plan", file.path).map
        #expect(map.title.hasPrefix(name))
    }
}
