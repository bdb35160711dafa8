import Foundation
import Host
import Layouts
import LiveSupport
import Machine
import Memslots
import PCI
import PropertySupport
import Testing
import VFIOUser

@testable import swiftlet

@Suite("The control socket", .serialized, .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ControlSocketLiveTests {
    /// A machine that runs in this process, and takes commands: `swiftlet run echo --layout one --irqchip kernel --control PATH`. Its guest waits
    /// for input that does not come.
    private final class Served: Sendable {
        let directory: TemporaryDirectory
        let machine: GuestMachine
        private let server: LineServer
        private let running: RunningMachine

        var socket: String { directory.file("machine") }

        init() throws {
            directory = try TemporaryDirectory()
            let run = GuestRun(guest: "echo", irqchip: .kernel, layout: "one", control: directory.file("machine"))
            let requested = try run.guestAndMachine()
            machine = try GuestMachine(requested.machine, image: requested.image, bytes: requested.bytes) { _, _ in }
            server = try ControlService.serve(machine, at: directory.file("machine"))
            running = try machine.start()
        }

        func connect() throws -> LineConnection {
            LineConnection(try Connection(toLocal: socket), longest: 16 << 20)
        }

        /// Ends the run and the server.
        func finish() throws -> Outcome {
            machine.stop()
            let report = try running.report()
            server.stop()
            #expect(!FileManager.default.fileExists(atPath: socket))
            return report.outcome
        }
    }

    private func ask(
        _ line: String, _ client: inout LineConnection, with shared: [SharedDescriptor] = []
    ) throws -> String {
        #expect(client.send(Array("\(line)\n".utf8), with: shared, within: .seconds(20)) == true)
        return String(decoding: try client.next(within: .seconds(60), whole: .seconds(60)).bytes, as: UTF8.self)
    }

    private func reply(_ line: String, _ client: inout LineConnection) throws -> ControlReply {
        try JSONDecoder().decode(ControlReply.self, from: Data(try ask(line, &client).utf8))
    }

    /// The blocks of the documentation that begin with this line.
    private static func blocks(_ first: String) throws -> [String] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../docs/control.md")
        return try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n```").dropLast().enumerated()
            .filter { $0.offset % 2 == 1 && $0.element.hasPrefix(first) }
            .map { String($0.element.dropFirst(first.count)) }
    }

    @Test("answers as the documentation says", .timeLimit(.minutes(2)))
    func documentation() throws {
        let served = try Served()
        var client = try served.connect()
        let lines = try Self.blocks("\n> ").flatMap { ("> " + $0).split(separator: "\n") }
        #expect(lines.count >= 22 && lines.count % 2 == 0)
        for (request, answer) in zip(lines, lines.dropFirst()) where request.hasPrefix("> ") {
            let found = try ask(String(request.dropFirst(2)), &client)
            // The limit is the host's.
            let limit = #/"limit":\d+/#
            #expect(found.replacing(limit, with: "") == answer.dropFirst(2).replacing(limit, with: ""), "\(request)")
        }
        #expect(try served.finish() == .stopped)
    }

    @Test("`swiftlet control` prints what the documentation says", .timeLimit(.minutes(3)))
    func session() throws {
        let served = try Served()
        let json = try #require(try Self.blocks("json\n").first)
        try Data(json.utf8).write(to: URL(fileURLWithPath: served.directory.file("device.json")))
        let session = try #require(try Self.blocks("console\n").first)
        let parts = ("\n" + session).components(separatedBy: "\n$ swiftlet ").dropFirst()
        #expect(parts.count == 7)
        for part in parts {
            let lines = part.split(separator: "\n")
            var command = Command()
            command.directory = URL(fileURLWithPath: served.directory.path)
            command.arguments = try #require(lines.first).split(separator: " ").map {
                $0 == "/tmp/machine" ? served.socket : String($0)
            }
            let result = try command.run()
            #expect(
                (result.output + result.errors).split(separator: "\n") == Array(lines.dropFirst()),
                "\(lines[0]): \(result.output) \(result.errors)")
            #expect(result.status == (result.errors.isEmpty ? 0 : 70))
        }
        _ = try served.finish()
    }

    @Test("no line harms the machine, and a line that is no request is told so")
    func badLines() throws {
        let served = try Served()
        var client = try served.connect()
        let deep = String(repeating: "[", count: 100_000)
        for line in [
            "", "{", "[1]", "1", "null", "{}", #"{"command":1}"#, #"{"command":"lst"}"#,
            #"{"command":"list","at":"00:01.0"}"#,
            #"{"command":"add"}"#, #"{"command":"add","function":null}"#, #"{"command":"add","function":{"repeat":2}}"#,
            #"{"command":"add","function":{"bars":[{"bar":0,"kind":"memory32","size":"0x"}]}}"#,
            #"{"command":"remove"}"#,
            #"{"command":"remove","at":"99:99.9"}"#, #"{"command":"add","function":{"name":"x","functions":[{},{}]}}"#,
            #"{"command":"add","function":{"functions":[]}}"#, #"{"command":"list","x":\#(deep)"#, deep, "\u{0}",
            #"{"command":"add","at":"00:09.0","function":{"vfioUser":"/a","rom":"4K"}}"#,
        ] {
            let error = try #require(try reply(line, &client).error, "\(line.prefix(60))")
            #expect(error.kind == .request && error.rule == nil, "\(line.prefix(60)): \(error)")
        }
        for (line, rule) in [
            (#"{"command":"add","function":{"bars":[{"bar":0,"kind":"memory32","size":"3K"}]}}"#, "description"),
            (#"{"command":"add","function":{"bars":[{"bar":7,"kind":"memory32","size":"4K"}]}}"#, "description"),
            (#"{"command":"add","function":{"bars":[{"bar":0,"kind":"memory32","size":"2G"}]}}"#, "addresses"),
        ] {
            let error = try reply(line, &client).error
            #expect(error?.kind == .function && error?.rule == rule, "\(line): \(String(describing: error))")
        }
        let last = try reply(#"{"command":"list"}"#, &client)
        #expect(last.result?.functionList?.map(\.function) == ["00:04.0"] && served.machine.slots.count == 2)
        _ = try served.finish()
    }

    @Test("a request with wrong bytes is refused or carried out", .timeLimit(.minutes(3)), arguments: propertySeeds)
    func mutatedRequests(seed: UInt64) throws {
        let served = try Served()
        var client = try served.connect()
        var random = SplitMix64(seed: seed)
        let request =
            #"{"command":"add","at":"00:09.0","function":{"vendor":"0x1af4","bars":[{"bar":0,"kind":"memory64","size":"4K"}],"#
            + #""msix":{"vectors":1,"table":{"bar":0,"offset":0},"pendingBits":{"bar":0,"offset":2048}},"rom":"2K","pin":1}}"#
        for _ in 0..<300 {
            var bytes = Array(request.utf8)
            for _ in 0...Int(random.next() % 3) {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: place)
                default: bytes[place] = Array("{}[],:\"0123456789".utf8)[Int(random.next() % 17)]
                }
            }
            bytes.replace([10], with: [32])
            #expect(client.send(bytes + [10], within: .seconds(20)) == true)
            let answer = try client.next(within: .seconds(60), whole: .seconds(60)).bytes
            let reply = try JSONDecoder().decode(ControlReply.self, from: Data(answer))
            #expect((reply.result == nil) != (reply.error == nil), "\(String(decoding: bytes, as: UTF8.self))")
            if let address = reply.result?.function.flatMap({ FunctionAddress(text: $0) }) {
                try served.machine.remove(at: address)
            }
        }
        #expect(served.machine.slots.count == 2 && served.machine.functions.count == 1)
        _ = try served.finish()
    }

    @Test("functions of several clients come and go at once, and leave nothing behind", .timeLimit(.minutes(5)))
    func cycles() throws {
        let served = try Served()
        func counts() -> [Int] {
            let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
            return [
                served.machine.slots.count, served.machine.functions.count,
                maps.split(separator: "\n").count { $0.contains("swiftlet-added") },
            ]
        }
        let before = counts()
        let added = Lock<[String]>([])
        let threads = try (0..<4).map { _ in
            try HostThread(name: "test-client") {
                guard var client = try? served.connect() else { return }
                for _ in 0..<25 {
                    let add =
                        #"{"command":"add","function":{"bars":[{"bar":0,"kind":"memory32","size":"4K"}],"msix":{"vectors":1,"#
                        + #""table":{"bar":0,"offset":0},"pendingBits":{"bar":0,"offset":2048}}}}"#
                    guard let address = (try? reply(add, &client))?.result?.function else { return }
                    added.withLock { $0.append(address) }
                    _ = try? reply(#"{"command":"map"}"#, &client)
                    guard (try? reply(#"{"command":"remove","at":"\#(address)"}"#, &client))?.error == nil else {
                        return
                    }
                }
            }
        }
        threads.forEach { $0.join() }
        #expect(added.withLock { $0.count } == 100)
        #expect(counts() == before)
        _ = try served.finish()
    }

    @Test("a device process is added by its connection, and its end shows", .timeLimit(.minutes(2)))
    func deviceProcess() throws {
        let (served, directory) = (try Served(), try TemporaryDirectory())
        let function = try #require(try LayoutArgument(name: "one").load().layout.functions.first)
        let device = try DeviceServer(
            ServedFunction(
                try PCIFunction(function.description, at: function.address), try DeviceRecord(function.description)),
            at: directory.file("device"))
        let add = try Command("control", served.socket, "add", "--vfio-user", directory.file("device")).run()
        #expect(add.status == 0 && add.output == "00:01.0\n", "\(add.errors)")
        var client = try served.connect()
        let listed = try #require(try reply(#"{"command":"list"}"#, &client).result?.functionList?.first)
        #expect(
            listed.kind == .vfioUser && listed.name == directory.file("device") && listed.registers[0].address != nil)
        // What is no connection to a device process is refused, in time.
        let event = try SharedDescriptor(eventFor: "a test")
        let refused = try ask(#"{"command":"add","function":{"vfioUser":"x"}}"#, &client, with: [event])
        #expect(refused.contains(#""kind":"refused""#), "\(refused)")
        device.stop()
        for _ in 0..<1000 where served.machine.lostFunctions.isEmpty { HostThread.sleep(for: .milliseconds(10)) }
        let after = try reply(#"{"command":"list"}"#, &client).result
        #expect(after?.functionList?.count == 1 && after?.lostFunctionList?.first?["function"] == "00:01.0")
        let gone = try Command("control", served.socket, "add", "--vfio-user", directory.file("device")).run()
        #expect(gone.status == 70 && gone.errors.contains("start the device process first"), "\(gone.errors)")
        _ = try served.finish()
    }

    @Test("in the jail functions come and go; Ctrl-C removes the socket", .timeLimit(.minutes(2)))
    func jailed() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("machine")
        let answers = Lock<[String]>([])
        let before = Lock<[Int]>([])
        // jmp to itself
        let guest = try TemporaryFile([0xeb, 0xfe])
        let result = try Command(
            "run", guest.path, "--mode", "real", "--layout", "one", "--irqchip", "kernel", "--control", path,
            "--timeout", "60s"
        ) { process in
            process.waitForThread("vcpu0")
            guard let client = LocalClient(path: path) else { return process.terminate() }
            func files(of process: Process) -> Int {
                ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.processIdentifier)/fd")) ?? [])
                    .count
            }
            before.withLock { $0.append(files(of: process)) }
            for line in [
                #"{"command":"add","function":{"bars":[{"bar":0,"kind":"memory64","size":"256G"}],"rom":"4K"}}"#,
                #"{"command":"pause"}"#, #"{"command":"list"}"#, #"{"command":"remove","at":"00:01.0"}"#,
                #"{"command":"slots"}"#,
                #"{"command":"map"}"#, #"{"command":"resume"}"#, "{",
            ] {
                client.send(Array("\(line)\n".utf8))
                var text = ""
                while !text.hasSuffix("\n"), let bytes = client.receive(), !bytes.isEmpty {
                    text += String(decoding: bytes, as: UTF8.self)
                }
                answers.withLock { [text] in $0.append(text) }
            }
            before.withLock { $0.append(files(of: process)) }
            kill(process.processIdentifier, SIGINT)
        }.run()
        let (texts, files) = (answers.withLock { $0 }, before.withLock { $0 })
        #expect(files.count == 2 && files[0] > 5 && files[1] <= files[0] + 2, "\(files): descriptors of one client")
        #expect(result.status == 130 && directory.names.isEmpty, "\(result.status) \(result.errors)")
        #expect(
            texts.count == 8 && texts[2].contains(#""paused":true"#)
                && texts.dropLast().allSatisfy { $0.hasPrefix(#"{"result""#) }, "\(texts)")
    }

    @Test("says what is wrong with its options")
    func usage() throws {
        for arguments in [["remove"], ["add"], ["list", "x"], ["list", "--at", "00:01.0"], ["fly"]] {
            var command = Command("control", "/nowhere")
            command.arguments += arguments
            #expect(try command.run().status == 64, "\(arguments)")
        }
        let nobody = try Command("control", "/nowhere/at/all", "list").run()
        #expect(nobody.status == 70 && nobody.errors.contains("no machine listens"), "\(nobody.errors)")
        let file = try TemporaryFile(Array(#"{"bars": [{"bar": 0, "kind": "memory", "size": "4K"}]}"#.utf8))
        let bad = try Command("control", "/nowhere", "add", file.path).run()
        #expect(bad.status == 65 && bad.errors.contains("bars[0].kind: `memory` is not memory32"), "\(bad.errors)")
        let taken = try Command("run", "hello", "--control", file.path).run()
        #expect(taken.status == 70 && taken.errors.contains("remove it, or name another path"), "\(taken.errors)")
    }
}
