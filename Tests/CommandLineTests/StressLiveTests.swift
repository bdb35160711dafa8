import Foundation
import LiveSupport
import Testing

@testable import swiftlet

@Suite("swiftlet stress", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct StressLiveTests {
    private func json(_ result: Command.Result) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }

    @Test("fill: the keys that scripts rely on")
    func fill() throws {
        let result = try Command("stress", "fill", "--json").run()
        let json = try json(result)
        // On a busy host there may be lines of progress.
        #expect(result.status == 0 && result.errors.split(separator: "\n").allSatisfy { $0.contains("ing slots: ") })
        #expect(json["created"] as? Int == json["limit"] as? Int && json["ok"] as? Bool == true)
        #expect(json["refused"] as? [String: String] == ["errno": "EINVAL", "rule": "slotID"])
        for key in ["addMicroseconds", "deleteMicroseconds"] {
            let times = try #require(json[key] as? [String: Double])
            #expect(Set(times.keys) == ["p50", "p99", "max"])
        }
        let bytes = try #require(json["kernelBytes"] as? [String: Int])
        #expect(Set(bytes.keys) == ["predicted", "measured"])
        #expect(json["tableBytes"] is Int && json["addSeconds"] is Double && json["deleteSeconds"] is Double)
    }

    @Test("churn: two vCPUs, and the keys")
    func churn() throws {
        let json = try json(
            try Command("stress", "churn", "--operations", "300", "--vcpus", "2", "--seed", "9", "--json").run())
        #expect(json["operations"] as? Int == 300 && json["guestErrors"] as? Int == 0 && json["seed"] as? Int == 9)
        #expect((json["guestChecks"] as? Int).map { $0 > 0 } == true)
        for key in ["parked", "unparked"] {
            let times = try #require(json[key] as? [String: Any])
            #expect(times["p50"] is Double && times["p99"] is Double && times["unit"] as? String == "microseconds")
        }
    }

    @Test("toggle: four ways")
    func toggle() throws {
        let json = try json(try Command("stress", "toggle", "one", "--operations", "10", "--json").run())
        #expect(json["toggles"] as? Int == 40 && json["ok"] as? Bool == true)
        #expect((json["partList"] as? [Any])?.count == 4 && json["secondsPerToggle"] is Double && json["edits"] is Int)
    }

    @Test("hotplug: in slots and beside them, and nothing is left behind", arguments: ["slots-4", "typical-16"])
    func hotPlug(layout: String) throws {
        let json = try json(
            try Command("stress", "hotplug", layout, "--cycles", "60", "--vcpus", "2", "--seed", "5", "--json").run())
        #expect(json["cycles"] as? Int ?? 0 >= 60 && json["guestErrors"] as? Int == 0 && json["seed"] as? Int == 5)
        #expect((json["guestChecks"] as? Int).map { $0 > 0 } == true && json["problem"] == nil)
        let counts = try ["before", "after"].map { try #require(json[$0] as? [String: Any]) }
        #expect(counts[0]["held"] as? [String: Int] == counts[1]["held"] as? [String: Int])
        #expect(counts[0]["descriptors"] as? Int == counts[1]["descriptors"] as? Int)
        #expect(Set(counts[0].keys) == ["held", "descriptors", "vmallocBytes", "residentBytes"])
        let uses = try #require(json["guestUses"] as? [String: Int])
        #expect(uses.keys.count == 4 && (uses["added"] ?? 0 > 0) == (layout == "slots-4"))
    }

    @Test("fuzz: the keys, and the same again for the same seed")
    func fuzz() throws {
        let runs = try (0..<2).map { _ in
            try json(try Command("stress", "fuzz", "--operations", "3000", "--seed", "7", "--json").run())
        }
        #expect(runs[0]["operations"] as? Int == 3000 && runs[0]["divergences"] as? Int == 0)
        #expect(runs[0]["accepted"] as? Int == runs[1]["accepted"] as? Int)
        #expect(runs[0]["refusals"] as? [String: Int] == runs[1]["refusals"] as? [String: Int])
        #expect(runs[0]["seed"] as? Int == 7 && runs[0]["seconds"] is Double)
    }

    @Test("a trace is replayed; a file that is none is refused with the place of the mistake")
    func replay() throws {
        func trace(_ operations: String) throws -> TemporaryFile {
            try TemporaryFile(
                Array(#"{"format": "swiftlet fuzz trace 1", "seed": 3, "operations": [\#(operations)]}"#.utf8))
        }
        let fine = try trace(
            #"{"slot": 1, "flags": 0, "guestAddress": "0x1000", "size": "0x1000", "memoryOffset": "0x2000"}, {"read": "0x1000"}"#
        )
        #expect(try Command("stress", "fuzz", "--replay", fine.path).run().status == 0)
        let absent = try Command("stress", "fuzz", "--replay", "/nowhere.json").run()
        #expect(absent.status == 65 && absent.errors.contains("/nowhere.json"))
        let bad = try trace(#"{"slot": 1}"#)
        let result = try Command("stress", "fuzz", "--replay", bad.path).run()
        #expect(result.status == 65 && result.errors.contains("operations[0]"))
        #expect(try Command("stress", "fuzz", "--replay", fine.path, "--seed", "1").run().status == 64)
    }

    @Test("a record is replayed, and one that was cut is refused, at the end of a line too")
    func record() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("r")
        #expect(try Command("stress", "fuzz", "--operations", "50", "--seed", "7", "--record", path).run().status == 0)
        #expect(try Command("stress", "fuzz", "--replay", path).run().status == 0)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        for kept in [lines.dropLast(), lines.prefix(2), lines.dropLast() + [lines[lines.count - 1].dropLast(3)]] {
            let cut = try TemporaryFile(Array(kept.joined(separator: "\n").utf8))
            let result = try Command("stress", "fuzz", "--replay", cut.path).run()
            #expect(result.status == 65 && result.errors.contains("line \(kept.count)"), "\(result.errors)")
        }
        let other = try TemporaryFile(
            Array(lines.joined(separator: "\n").replacing(#""answer":"accepted""#, with: #""answer":"EIO""#).utf8))
        let differs = try Command("stress", "fuzz", "--replay", other.path).run()
        #expect(differs.status == 1 && differs.output.contains("EIO") && !differs.errors.contains("EIO"))
    }

    @Test(
        "Ctrl-C ends it with 130 and says what was reached",
        arguments: [
            ["fill"], ["churn", "--seconds", "60"], ["toggle", "full-bus", "--operations", "100000000"],
            ["fuzz", "--seconds", "60"],
        ])
    func interruption(arguments: [String]) throws {
        var command = Command("stress")
        command.arguments += arguments + ["--json"]
        command.meddle = { process in
            process.waitUntilSignalsAreTaken()
            process.interrupt()
        }
        let result = try command.run()
        #expect(result.status == 130, "\(arguments): \(result.errors)")
        #expect(try json(result)["interrupted"] as? Bool == true)
        #expect(result.errors.contains("interrupted"))
    }

    @Test("a killed process leaves nothing behind")
    func kill() throws {
        func vmallocUsed() throws -> Int {
            let text = try String(contentsOfFile: "/proc/meminfo", encoding: .utf8)
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("VmallocUsed:") })
            return try #require(line.split(separator: " ").dropLast().last.flatMap { Int($0) }) * 1024
        }
        let before = try vmallocUsed()
        var command = Command("stress", "fill")
        command.meddle = { process in
            Thread.sleep(forTimeInterval: 0.5)
            Foundation.kill(process.processIdentifier, SIGKILL)
        }
        #expect(try command.run().status == -SIGKILL)
        // The kernel frees what the machine had when its last descriptor goes; other tests have machines of their own.
        var after = try vmallocUsed()
        for _ in 0..<300 where after > before + 200 << 20 {
            Thread.sleep(forTimeInterval: 0.1)
            after = try vmallocUsed()
        }
        #expect(after <= before + 200 << 20)
    }

    @Test("what cannot be is said before any work")
    func usage() throws {
        #expect(try Command("stress", "fill", "--slots", "40000").run().status == 64)
        #expect(try Command("stress", "churn", "--slots", "1").run().status == 64)
        #expect(try Command("stress", "hotplug", "slots-4", "--cycles", "0").run().status == 64)
        #expect(try Command("stress", "hotplug", "one").run().status == 64)
        #expect(try Command("stress", "toggle", "no-such-layout").run().status == 64)
        #expect(try Command("stress", "fill", "--plot", "/nowhere/fill.svg").run().status == 70)
        #expect(try Command("stress", "fuzz", "--operations", "0").run().status == 64)
    }
}
