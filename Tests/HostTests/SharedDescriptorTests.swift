import Foundation
import Testing

@testable import Host

@Suite("Descriptors between processes")
struct SharedDescriptorTests {
    /// A connected pair of sockets, by way of a listening one.
    private func withPair(_ body: (borrowing Connection, borrowing Connection) throws -> Void) throws {
        let path = "/tmp/swiftlet-test-\(UInt64.random(in: 0 ... .max))"
        let listener = try ListeningSocket(.local(path: path))
        let client = try Connection(toLocal: path)
        guard let server = listener.accept() else { throw ConnectionError.closed }
        try body(client, server)
    }

    @Test("come with the first byte of a message, and work on the other side")
    func pass() throws {
        try withPair { client, server in
            let event = try SharedDescriptor(eventFor: "test")
            var file = try MemoryFile(name: "test")
            try file.resize(to: 4096)
            try client.send(Array(1...40), with: [event, SharedDescriptor(file)], within: .seconds(1))
            let header = try server.receive(exactly: 16, mostDescriptors: 8, within: .seconds(1))
            #expect(header.bytes == Array(1...16) && header.descriptors.count == 2)
            let rest = try server.receive(exactly: 24, within: .seconds(1))
            #expect(rest.bytes == Array(17...40) && rest.descriptors.isEmpty)
            header.descriptors[0].post()
            header.descriptors[0].post()
            #expect(event.take() == 2 && event.take() == 0)
            let theirs = try ForeignMemory(header.descriptors[1], name: "theirs", offset: 0, size: 4096)
            let isWritten = theirs.write(([7] as [UInt8]).span, at: 5)
            let bytes = try ForeignMemory(file, offset: 0, size: 4096).read(count: 1, at: 5)
            #expect(isWritten && bytes == [7])
        }
    }

    @Test("that are more than wanted are closed")
    func surplus() throws {
        try withPair { client, server in
            let file = try MemoryFile(name: "surplus")
            let shared = try SharedDescriptor(file)
            for most in 0...3 {
                try client.send([1, 2], with: Array(repeating: shared, count: 6), within: .seconds(1))
                let taken = try server.receive(exactly: 2, mostDescriptors: most, within: .seconds(1))
                #expect(taken.descriptors.count == most)
                #expect(try openFiles(named: "surplus") == 2 + most)
            }
        }
    }

    /// The descriptors of this process that are open on a memory file.
    private func openFiles(named name: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count { entry in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(entry)"))?
                .contains("memfd:\(name)") == true
        }
    }

    @Test("a peer that says nothing, takes nothing or goes is told")
    func silence() throws {
        try withPair { client, server in
            #expect(throws: ConnectionError.timedOut) { try server.receive(exactly: 1, within: .milliseconds(20)) }
            let much = [UInt8](repeating: 0, count: 1 << 22)
            #expect(throws: ConnectionError.timedOut) { try client.send(much, with: [], within: .milliseconds(50)) }
        }
        let path = "/tmp/swiftlet-test-\(UInt64.random(in: 0 ... .max))"
        let listener = try ListeningSocket(.local(path: path))
        let client = try Connection(toLocal: path)
        do { _ = listener.accept() }
        #expect(throws: ConnectionError.closed) { try client.receive(exactly: 1, within: .seconds(1)) }
        #expect(throws: ConnectionError.closed) { try client.send([1], with: [], within: .seconds(1)) }
        #expect(throws: HostError.self) { _ = try Connection(toLocal: path + "-none") }
        #expect(throws: HostError.self) { _ = try Connection(toLocal: String(repeating: "a", count: 200)) }
    }
}
