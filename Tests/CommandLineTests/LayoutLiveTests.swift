import Foundation
import LiveSupport
import Testing

@Suite("swiftlet layout", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct LayoutLiveTests {
    @Test("a full bus has 2048 slots, and the guest finds nothing wrong with it", arguments: ["strict", "lazy"])
    func fullBus(decode: String) throws {
        let json = try report("full-bus", "--decode", decode)
        #expect(json["ok"] as? Bool == true)
        #expect(json["functions"] as? Int == 256)
        #expect(try numbers("slots", of: json) == ["ram": 1, "bars": 1792, "roms": 256, "total": 2049, "limit": 32764])
        #expect(try numbers("pieces", of: json) == ["mapped": 2048, "trapped": 256])
        let guest = try numbers("guest", of: json)
        #expect(guest["functions"] == 256 && guest["bars"] == 1536)
        #expect(guest["mismatches"] == 0 && guest["interrupts"] == 256)
        #expect(guest["bytesChecked"].map { $0 > 10_000 } == true)
        let sizing = try edits("sizing", of: json)
        #expect(sizing == (decode == "lazy" ? 0 : 4096))
    }

    @Test("functions are as after reset where the guest is to assign addresses", arguments: [true, false])
    func unassigned(isUnassigned: Bool) throws {
        // mov dx, 0xcf8; mov eax, 0x80002004 (00:04.0, command); out dx, eax; mov dx, 0xcfc; in al, dx; out 0xf4, al
        let guest = try TemporaryFile([
            0x66, 0xba, 0xf8, 0x0c, 0xb8, 0x04, 0x20, 0x00, 0x80, 0xef, 0x66, 0xba, 0xfc, 0x0c, 0xec, 0xe6, 0xf4,
        ])
        var command = Command("run", "--layout", "one", "--report", "-", guest.path)
        command.arguments += isUnassigned ? ["--unassigned"] : []
        let result = try command.run()
        #expect(result.status == (isUnassigned ? 0 : 2))
        #expect(result.errors.contains(#""count":1,"#) == isUnassigned, "\(result.errors)")
    }

    @Test("a guest that assigns the addresses itself finds nothing wrong", arguments: ["strict", "lazy"])
    func assignedByTheGuest(decode: String) throws {
        let result = try Command("run", "pci", "--layout", "typical-16", "--unassigned", "--decode", decode).run()
        #expect(result.status == 0, "\(result.errors)")
        #expect(
            result.output.contains("functions 16\n") && result.output.contains("mismatches 0\n"), "\(result.output)")
    }

    @Test("the same bus coalesced needs 258 slots, for the holes in its BARs split them into 257 runs")
    func coalesced() throws {
        let json = try report("full-bus", "--slots", "coalesced")
        #expect(json["ok"] as? Bool == true)
        let slots = try numbers("slots", of: json)
        #expect(slots["bars"] == 257 && slots["roms"] == 1)
        #expect(try numbers("guest", of: json)["mismatches"] == 0)
    }

    @Test(
        "every small preset is right under every policy", arguments: ["one", "typical-16", "typical-32"],
        ["separate", "coalesced"])
    func presets(name: String, policy: String) throws {
        #expect(try report(name, "--slots", policy, "--decode", "lazy")["ok"] as? Bool == true)
        #expect(try report(name, "--slots", policy)["ok"] as? Bool == true)
    }

    @Test("more slots than KVM has are refused with the numbers, before any is made")
    func pastTheLimit() throws {
        let result = try Command("layout", "past-the-limit").run()
        #expect(result.status == 70)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("32769 memory slots") && result.errors.contains("32764"))
    }

    @Test("a layout file is built like a preset")
    func layoutFile() throws {
        let file = try TemporaryFile(
            Array(
                #"""
                {"name": "mine", "functions": [{"at": "01:02.0", "repeat": 3, "rom": "8K",
                  "bars": [{"bar": 0, "kind": "memory64", "size": "32K"}, {"bar": 4, "kind": "memory32", "size": "4K"}]}]}
                """#.utf8))
        let json = try report(file.path)
        #expect(json["layout"] as? String == "mine")
        #expect(json["ok"] as? Bool == true)
        #expect(try numbers("slots", of: json)["total"] == 10)
    }

    @Test(
        "a guest finds, places and hears of a function behind three bridges, and of one in another segment",
        arguments: [["--decode", "strict"], ["--decode", "lazy", "--slots", "coalesced"]])
    func bridges(options: [String]) throws {
        let function = """
            "rom": "8K", "bars": [{"bar": 0, "kind": "memory64", "size": "32K", "prefetchable": true},
              {"bar": 4, "kind": "memory64", "size": "16K"}],
            "msix": {"vectors": 4, "table": {"bar": 4, "offset": 0}, "pendingBits": {"bar": 4, "offset": 64}},
            "doorbell": {"bar": 4, "offset": 72}
            """
        let file = try TemporaryFile(
            Array(
                """
                {"name": "chain", "buses": 5,
                  "bridges": [{"at": "00:01.0", "secondary": 1, "subordinate": 3}, {"at": "01:00.0", "secondary": 2, "subordinate": 3},
                    {"at": "02:00.0", "secondary": 3},
                    {"at": "00:02.0", "secondary": 4}],
                  "functions": [{"at": "03:00.0", \(function)}, {"at": "04:00.0", "repeat": 2, \(function)},
                    {"at": "00:03.0", \(function)}, {"at": "0001:02:00.0", \(function)}]}
                """.utf8))
        let json = try report([file.path] + options)
        #expect(json["ok"] as? Bool == true && json["functions"] as? Int == 5)
        #expect(try numbers("guest", of: json)["interrupts"] == 5)
        // Of each function BAR 0, BAR 4 behind its first page, and the ROM; and RAM.
        if options.count == 2 { #expect(try numbers("slots", of: json)["total"] == 16) }
        let flat = try report([file.path, "--flat"] + options)
        #expect(flat["ok"] as? Bool == true && flat["functions"] as? Int == 5)
    }

    @Test(
        "a layout that is none ends with 64 or 65 and names the key",
        arguments: [
            (#"{"name": "x"}"#, "functions"), (#"{"name": "x", "functions": [{"at": 7}]}"#, "functions[0].at"),
            (#"{"name": "x", "functions": [{"at": "00:01.0", "rom": "5000"}]}"#, "00:01.0: ROM"),
            ("not json", "not valid JSON"), ("", "not valid JSON"),
        ])
    func badFiles(text: String, words: String) throws {
        let file = try TemporaryFile(Array(text.utf8))
        let result = try Command("layout", file.path).run()
        #expect(result.status == 65)
        #expect(result.errors.contains(words))
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    @Test("the list names the presets, and an unknown one ends with 64")
    func list() throws {
        let result = try Command("layout", "--list").run()
        #expect(result.status == 0)
        #expect(result.output.contains("full-bus") && result.output.contains("hgx-8"))
        #expect(try Command("layout", "full-buss").run().status == 64)
        let list = try #require(
            JSONSerialization.jsonObject(with: Data(Command("layout", "--list", "--json").run().output.utf8))
                as? [String: Any])
        let layouts = try #require(list["layoutList"] as? [[String: Any]])
        let bus = try #require(layouts.first { $0["layout"] as? String == "full-bus" })
        #expect(bus["functions"] as? Int == 256 && (bus["shows"] as? String)?.isEmpty == false)
        #expect(try Command("layout").run().status == 64)
    }

    @Test("an address or a kernel that cannot be is told by its option")
    func options() throws {
        let fixed = try Command("layout", "one", "--fix", "00:04.0/0=0x1000").run()
        #expect(fixed.status == 65 && fixed.errors.contains("--fix"))
        let file = try TemporaryFile([0xf4])
        let flat = try Command("layout", "one", "--linux", file.path).run()
        #expect(flat.status == 65 && flat.errors.contains("--linux") && !flat.errors.contains("--append"))
    }

    @Test("the map has every piece, with its slot")
    func map() throws {
        let file = try TemporaryFile([])
        #expect(try Command("layout", "typical-16", "--map", file.path).run().status == 0)
        let svg = try String(contentsOfFile: file.path, encoding: .utf8)
        #expect(svg.hasPrefix("<svg"))
        // The drawing itself, RAM, 64 mapped pieces and 16 trapped ones.
        #expect(svg.components(separatedBy: "<title>").count - 1 == 82)
    }

    @Test("without --json there is a row for each mapping, and the totals")
    func table() throws {
        let result = try Command("layout", "one").run()
        #expect(result.status == 0)
        #expect(result.output.contains("00:04.0 BAR 0"))
        #expect(result.output.split(separator: "\n").last?.contains("yes") == true)
    }

    private func report(_ arguments: String...) throws -> [String: Any] { try report(arguments) }

    private func report(_ arguments: [String]) throws -> [String: Any] {
        var command = Command()
        command.arguments = ["layout", "--json"] + arguments
        let result = try command.run()
        #expect(result.status == 0, "\(result.errors)")
        return try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }

    private func numbers(_ key: String, of json: [String: Any]) throws -> [String: Int] {
        try #require(json[key] as? [String: Int])
    }

    /// All edits of a phase together.
    private func edits(_ phase: String, of json: [String: Any]) throws -> Int {
        let edits = try #require(json["edits"] as? [String: [String: Int]])
        return try #require(edits[phase]).values.reduce(0, +)
    }
}
