import Foundation

/// The built `swiftlet`, run as a user runs it.
struct Command {
    var arguments: [String]
    var input: String?
    var directory: URL?
    /// What to do to the process while it runs, for example to interrupt it.
    var meddle: (@Sendable (Process) -> Void)?

    struct Result {
        let status: Int32
        let output: String
        let errors: String
    }

    init(_ arguments: String..., input: String? = nil, meddle: (@Sendable (Process) -> Void)? = nil) {
        self.arguments = arguments
        self.input = input
        self.meddle = meddle
    }

    /// The executable lies beside the bundle of the tests.
    static let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: "swiftlet")

    /// Runs another program to its end.
    static func run(_ executable: URL, _ arguments: [String]) throws -> Result {
        var command = Command()
        command.arguments = arguments
        return try command.run(executable)
    }

    func run(_ executable: URL = Self.executable) throws -> Result {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.currentDirectoryURL = directory
        let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stderr
        try process.run()
        if let input {
            stdin.fileHandleForWriting.write(Data(input.utf8))
        }
        try stdin.fileHandleForWriting.close()
        meddle?(process)
        // What is printed fits into a pipe, so that one can be read after the other.
        let output = stdout.fileHandleForReading.readDataToEndOfFile()
        let errors = stderr.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(
            status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            output: String(decoding: output, as: UTF8.self), errors: String(decoding: errors, as: UTF8.self))
    }
}

extension Process {
    /// Waits until the process reads its signals from a descriptor, and then a moment in which its guest may begin.
    func waitUntilSignalsAreTaken() {
        // A process may begin with signals blocked, as its parent had them.
        wait(for: "SigCgt:")
        Thread.sleep(forTimeInterval: 0.02)
        wait(for: "SigBlk:")
        Thread.sleep(forTimeInterval: 0.1)
    }

    /// Waits, a minute at most, until the process has a thread of this name.
    func waitForThread(_ name: String) {
        let tasks = "/proc/\(processIdentifier)/task"
        for _ in 0..<6000 where isRunning {
            let ids = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
            let names = ids.map { (try? String(contentsOfFile: "\(tasks)/\($0)/comm", encoding: .utf8)) ?? "" }
            if names.contains("\(name)\n") { return }
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    /// Waits until no signal has its default action any more.
    func waitUntilSignalsAreHandled() {
        wait(for: "SigCgt:")
    }

    /// Waits, half a minute at most, until a set of signals of the process has SIGTERM, the last to be taken.
    private func wait(for set: String) {
        for _ in 0..<30000 {
            let status = (try? String(contentsOfFile: "/proc/\(processIdentifier)/status", encoding: .utf8)) ?? ""
            let signals = status.split(separator: "\n").first { $0.hasPrefix(set) }
            let number = signals?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } ?? 0
            if number & 1 << 14 != 0 { break }
            Thread.sleep(forTimeInterval: 0.001)
        }
    }
}

/// An empty directory, which is removed with all that is in it when the value ends.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "swiftlet-test-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of a file in it.
    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// The names of the files in it.
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

/// A file with these bytes for as long as the value lives.
final class TemporaryFile: Sendable {
    let path: String

    init(_ bytes: [UInt8]) throws {
        path = FileManager.default.temporaryDirectory.appending(path: "swiftlet-test-\(UUID().uuidString)").path
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}
