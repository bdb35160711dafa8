import Foundation
import LiveSupport
import Testing

@Suite("swiftlet capture")
struct CaptureTests {
    /// Serves a layout while a test runs, and returns what `body` returns.
    static func serving<Result>(
        _ layout: String, _ options: String..., body: @escaping @Sendable (_ socket: String) throws -> Result
    ) throws -> Result {
        let directory = try TemporaryDirectory()
        let socket = directory.file("socket")
        let result = Box<Swift.Result<Result, any Error>>()
        var command = Command { process in
            for _ in 0..<6000 where process.isRunning && !FileManager.default.fileExists(atPath: socket) {
                Thread.sleep(forTimeInterval: 0.01)
            }
            result.value = Swift.Result { try body(socket) }
            process.terminate()
        }
        command.arguments = ["serve", layout, "--socket", socket] + options
        let served = try command.run()
        #expect(served.status == 130, "\(served.errors)")
        return try #require(result.value).get()
    }

    final class Box<Value>: @unchecked Sendable {
        var value: Value?
    }

    private static let capture: @Sendable (String) throws -> String = { socket in
        let result = try Command("capture", "--vfio-user", socket).run()
        #expect(result.status == 0, "\(result.errors)")
        return result.output
    }

    @Test("of a replay gives the same file, and the same slots", arguments: ["00:00.0", "00:03.0"])
    func replay(address: String) throws {
        for preset in ["typical-16", "full-bus", "hgx-8"] {
            let first = try Self.serving(
                preset, "--only", address == "00:03.0" ? "00:03.0" : "00:00.0", body: Self.capture)
            let directory = try TemporaryDirectory()
            let file = directory.file("device.json")
            try first.write(toFile: file, atomically: true, encoding: .utf8)
            #expect(try Self.serving(file, body: Self.capture) == first)

            func plan(_ arguments: String...) throws -> [String: Any] {
                var command = Command()
                command.arguments = ["plan", "--json"] + arguments
                let result = try command.run()
                #expect(result.status == 0, "\(result.errors)")
                let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
                return try #require(object as? [String: Any])
            }
            let (described, captured) = (try plan(preset, "--only", address), try plan(file))
            for key in ["slots", "pieces"] {
                let expected = try #require(described[key] as? NSDictionary)
                #expect(captured[key] as? NSDictionary == expected, "\(preset) \(key)")
            }
        }
    }

    @Test("says what is wrong")
    func errors() throws {
        let none = try Command("capture", "--vfio-user", "/nonexistent/socket").run()
        #expect(none.status == 70 && none.errors.contains("/nonexistent/socket"), "\(none.errors)")
        #expect(try Command("capture").run().status == 64)
        #expect(try Command("capture", "--vfio-user", "x", "--at", "nowhere").run().status == 64)
    }
}
