import Foundation
import Testing

@testable import Host

@Suite("Lines at a local socket", .serialized, .timeLimit(.minutes(3)))
struct LineServerTests {
    /// Answers a line with itself, but for a few that are commands.
    private final class Echo: Sendable {
        let path = "/tmp/swiftlet-lines-\(UInt64.random(in: .min ... .max))"
        /// Lets lines go that wait.
        let gate = Semaphore()
        let waiting = Monitor(0)

        func serve(lineTime: Duration = .seconds(20)) throws -> LineServer {
            try LineServer(at: path, lineTime: lineTime) { line in
                switch line {
                case .failure(let error): return Array("error: \(error)\n".utf8)
                case .success(let line):
                    line.descriptors.forEach { $0.post() }
                    switch String(decoding: line.bytes, as: UTF8.self) {
                    case "wait":
                        self.waiting.update { $0 += 1 }
                        self.gate.wait()
                        return Array("waited\n".utf8)
                    case "long": return [UInt8](repeating: UInt8(ascii: "x"), count: 8 << 20) + [UInt8(ascii: "\n")]
                    default: return line.bytes + Array(" \(line.descriptors.count)\n".utf8)
                    }
                }
            }
        }

        func connect() throws -> Connection { try Connection(toLocal: path) }
    }

    /// What a client receives until a line ends, or the connection does.
    private func line(_ connection: borrowing Connection) -> String {
        var text = ""
        let deadline = SuspendingClock.now + .seconds(60)
        while !text.hasSuffix("\n"), SuspendingClock.now < deadline {
            guard (try? connection.wait(within: .seconds(1)))?.hasInput == true else { continue }
            guard let bytes = connection.receive(upTo: 4096).bytes else { continue }
            if bytes.isEmpty { return text + "<end>" }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return text
    }

    private func ask(_ connection: borrowing Connection, _ text: String) -> String {
        _ = connection.send(Array("\(text)\n".utf8), within: .seconds(20))
        return line(connection)
    }

    /// The threads of servers and of clients, once they have ended or a while is over.
    private func threads() -> Int {
        var count = 0
        for _ in 0..<500 {
            let ids = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
            count = ids.count { id in
                let name = (try? String(contentsOfFile: "/proc/self/task/\(id)/comm", encoding: .utf8)) ?? ""
                return name.hasPrefix("control")
            }
            if count == 0 { break }
            HostThread.sleep(for: .milliseconds(10))
        }
        return count
    }

    private var descriptors: Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []).count
    }

    @Test("are answered in order, for each client by itself, until the server ends")
    func answers() throws {
        let echo = Echo()
        let server = try echo.serve()
        let first = try echo.connect()
        let second = try echo.connect()
        #expect(ask(first, "one") == "one 0\n" && ask(second, "two") == "two 0\n")
        #expect(first.send(Array("a\nb\n\nc".utf8), within: .seconds(5)) == true)
        var text = ""
        while !text.hasSuffix("\n 0\n"), text.count < 20 { text += line(first) }
        #expect(text == "a 0\nb 0\n 0\n" && ask(first, "d") == "cd 0\n")
        var status = stat()
        // The mode is that of the socket from when it has a name.
        #expect(unsafe stat(echo.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        server.stop()
        #expect(line(first) == "<end>" && line(second) == "<end>")
        #expect(!FileManager.default.fileExists(atPath: echo.path))
        #expect(threads() == 0)
    }

    @Test("a line that is too long, or does not end, is told so, and its client goes")
    func badLines() throws {
        let (echo, hasty) = (Echo(), Echo())
        let servers = [try echo.serve(), try hasty.serve(lineTime: .milliseconds(200))]
        defer { servers.forEach { $0.stop() } }
        let long = try echo.connect()
        let longest = LineServer.longestLine
        #expect(ask(long, String(repeating: "x", count: longest)).hasSuffix("x 0\n") == true)
        #expect(long.send([UInt8](repeating: 65, count: longest + 1), within: .seconds(5)) == true)
        #expect(line(long) == "error: a line of more than \(longest) bytes\n" && line(long).hasSuffix("<end>"))
        let slow = try hasty.connect()
        // Silence before a line is no mistake.
        HostThread.sleep(for: .milliseconds(400))
        #expect(ask(slow, "here") == "here 0\n" && slow.send([65], within: .seconds(1)))
        #expect(line(slow) == "error: the end of the line did not come in time\n" && line(slow) == "<end>")
    }

    @Test("a client that takes no answers delays no other, and is cut off")
    func slowReader() throws {
        let echo = Echo()
        let server = try echo.serve(lineTime: .milliseconds(500))
        defer { server.stop() }
        let slow = try echo.connect()
        #expect(slow.send(Array("long\n".utf8), within: .seconds(1)) == true)
        let other = try echo.connect()
        for number in 0..<100 { #expect(ask(other, "\(number)") == "\(number) 0\n") }
        HostThread.sleep(for: .seconds(1))
        #expect(line(slow).hasSuffix("<end>") && ask(other, "still") == "still 0\n")
    }

    @Test("of too many clients the one goes that has been silent for the longest, and none that waits for an answer")
    func manyClients() throws {
        let echo = Echo()
        let server = try echo.serve()
        let most = LineServer.mostClients
        let before = descriptors
        try withClients(most, of: echo) { clients in
            #expect(ask(clients[0], "first") == "first 0\n")
            let further = try echo.connect()
            #expect(ask(further, "further") == "further 0\n")
            // Client 1 has been silent since it came, client 0 has not.
            #expect(line(clients[1]) == "<end>" && ask(clients[0], "again") == "again 0\n")
            for _ in 0..<100 {
                // A client whose answer is on its way may count as one that waits for a while, on a busy host.
                var answer = ""
                for _ in 0..<1000 where answer != "x 0\n" {
                    let passing = try echo.connect()
                    answer = ask(passing, "x")
                    if answer != "x 0\n" { HostThread.sleep(for: .milliseconds(5)) }
                }
                #expect(answer == "x 0\n")
            }
        }
        try withClients(most, of: echo) { clients in
            for index in 0..<most { #expect(clients[index].send(Array("wait\n".utf8), within: .seconds(5)) == true) }
            #expect(echo.waiting.wait(for: .seconds(60)) { $0 == most ? true : nil } == true)
            let refused = try echo.connect()
            #expect(line(refused).hasPrefix("error: there are \(most) clients already") == true)
            for _ in 0..<most { echo.gate.post() }
            for index in 0..<most { #expect(line(clients[index]) == "waited\n") }
            let admitted = try echo.connect()
            #expect(ask(admitted, "now") == "now 0\n")
        }
        server.stop()
        #expect(threads() == 0)
        #expect(descriptors < before + 50, "each client has given back what it had")
    }

    /// Connects clients, each of which has been served once.
    private func withClients(_ count: Int, of echo: Echo, _ body: (borrowing Clients) throws -> Void) throws {
        let clients = Clients(try (0..<count).map { _ in Clients.Box(try echo.connect()) })
        for index in 0..<count { #expect(ask(clients[index], "hello") == "hello 0\n") }
        try body(clients)
    }

    private struct Clients: ~Copyable {
        final class Box {
            let connection: Connection
            init(_ connection: consuming Connection) { self.connection = connection }
        }
        let boxes: [Box]
        init(_ boxes: [Box]) { self.boxes = boxes }
        subscript(index: Int) -> Connection { _read { yield boxes[index].connection } }
    }

    @Test("a descriptor comes with its line, and those beyond are closed")
    func passed() throws {
        let echo = Echo()
        let server = try echo.serve()
        defer { server.stop() }
        let client = try echo.connect()
        let event = try SharedDescriptor(eventFor: "a test")
        #expect(ask(client, "none") == "none 0\n")
        let before = descriptors
        for _ in 0..<20 {
            try client.send(Array("three\n".utf8), with: [event, event, event], within: .seconds(5))
            #expect(line(client) == "three 1\n" && event.take() == 1)
            #expect(ask(client, "none") == "none 0\n")
        }
        // Other tests have descriptors too.
        #expect(descriptors < before + 20)
    }

    @Test("a path is taken over from a dead socket of the same user, and from nothing else")
    func paths() throws {
        let echo = Echo()
        func refused() -> Bool { (try? echo.serve()) == nil }
        try Data([1]).write(to: URL(fileURLWithPath: echo.path))
        #expect(refused() && FileManager.default.contents(atPath: echo.path) == Data([1]))
        try FileManager.default.removeItem(atPath: echo.path)
        let server = try echo.serve()
        #expect(refused(), "somebody listens there")
        let client = try echo.connect()
        #expect(ask(client, "there") == "there 0\n")
        server.stop()
        // The socket of a process that was killed: nobody has removed it.
        let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // SAFETY: the path is shorter than the structure's, whose rest is zero. The structure outlives the call.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(echo.path.utf8)) }
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(dead, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        close(dead)
        let link = echo.path + "-link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: echo.path)
        defer { try? FileManager.default.removeItem(atPath: link) }
        #expect(bound == 0 && (try? ListeningSocket(.local(path: link))) == nil, "a link is not followed")
        let next = try echo.serve()
        let again = try echo.connect()
        #expect(ask(again, "again") == "again 0\n")
        next.stop()
    }
}
