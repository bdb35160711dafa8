import Foundation
import Testing

@Suite("swiftlet serve")
struct ServeTests {
    @Test("names a socket for each function, and removes them at Ctrl-C", .timeLimit(.minutes(2)))
    func sockets() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path
        let result = try Command("serve", "typical-16", "--socket", path) { process in
            process.waitUntilSignalsAreTaken()
            for _ in 0..<1000 where (try? FileManager.default.contentsOfDirectory(atPath: path).count) != 16 {
                Thread.sleep(forTimeInterval: 0.01)
            }
            kill(process.processIdentifier, SIGINT)
        }.run()
        #expect(result.status == 130, "\(result.errors)")
        #expect(result.output.split(separator: "\n").count == 16)
        #expect(result.output.hasPrefix("00:00.0 at \(path)/00:00.0\n"))
        #expect(directory.names.isEmpty)
    }

    @Test("serves a function without the bridges above it", .timeLimit(.minutes(2)))
    func bridges() throws {
        let directory = try TemporaryDirectory()
        let layout = try TemporaryFile(
            Array(
                """
                {"name": "behind a bridge", "bridges": [{"at": "00:01.0", "secondary": 1}], "functions": [{"at": "01:00.0",
                "vendor": "0x1af4", "device": "0x0042", "bars": [{"bar": 0, "kind": "memory32", "size": "16K"}]}]}
                """.utf8))
        let socket = directory.file("one")
        let result = try Command("serve", layout.path, "--socket", socket) { process in
            process.waitUntilSignalsAreTaken()
            kill(process.processIdentifier, SIGINT)
        }.run()
        #expect(result.status == 130 && result.output == "01:00.0 at \(socket)\n", "\(result.errors)")
    }

    @Test("says what is wrong with its options")
    func usage() throws {
        let directory = try TemporaryDirectory()
        let many = try Command("serve", "typical-16", "--socket", directory.file("one")).run()
        #expect(many.status == 64 && many.errors.contains("16 functions"), "\(many.errors)")
        let fixed = try Command(
            "serve", "one", "--socket", directory.file("one"), "--fix", "00:04.0/0=0xd0000000"
        ).run()
        #expect(fixed.status == 64 && fixed.errors.contains("--fix"), "\(fixed.errors)")
        let nowhere = try Command("serve", "one", "--socket", directory.file("none/one")).run()
        #expect(nowhere.status == 70 && nowhere.errors.contains("bind"), "\(nowhere.errors)")
        let long = directory.file(String(repeating: "n", count: 120))
        #expect(try Command("serve", "one", "--socket", long).run().status == 70)
        // A file that is no socket is not replaced.
        let file = try TemporaryFile([1])
        #expect(try Command("serve", "one", "--socket", file.path).run().status == 70)
        #expect(try Data(contentsOf: URL(fileURLWithPath: file.path)) == Data([1]))
    }
}
