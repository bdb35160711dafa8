import Foundation
import LiveSupport
import Testing

/// How the process finds itself when it starts, as a shell or strace arranges it.
@Suite("What a process is given at its start", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct StartLiveTests {
    /// Runs a line of shell, in which `$0` is swiftlet.
    static func shell(_ line: String, _ arguments: String...) throws -> Command.Result {
        try Command.run(URL(fileURLWithPath: "/bin/sh"), ["-c", line, Command.executable.path] + arguments)
    }

    @Test("a report does not get what is printed on a closed stream", arguments: ["0", "1", "2"])
    func closedStreams(number: String) throws {
        let directory = try TemporaryDirectory()
        let result = try Self.shell(
            "exec \"$0\" run hello --report \"$1\" --map \"$2\" \(number)>&-", directory.file("r"),
            directory.file("m.svg"))
        // What the guest prints is lost without standard output, and only then.
        #expect(result.status == (number == "1" ? 70 : 0), "\(result.errors)")
        let report = try String(contentsOfFile: directory.file("r"), encoding: .utf8)
        #expect(report.hasPrefix("{") && report.hasSuffix("}\n"))
        #expect(try String(contentsOfFile: directory.file("m.svg"), encoding: .utf8).hasSuffix("</svg>\n"))
    }

    @Test(
        "output that was asked for on a closed stream is an error",
        arguments: ["guests >&-", "--version >&-", "run hello --report - 2>&-", "layout one --json >&-"])
    func lostOutput(line: String) throws {
        #expect(try Self.shell("exec \"$0\" \(line)").status == 70)
    }

    @Test(
        "help, the version and completions on a full disk are an error",
        arguments: [
            "--help", "--version", "run --help", "--generate-completion-script bash",
        ])
    func fullDisk(line: String) throws {
        let result = try Self.shell("exec \"$0\" \(line) >/dev/full")
        #expect(result.status == 70 && result.errors.contains("could not be written"))
    }

    @Test("a limit of the size of files is an error that names it")
    func fileSizeLimit() throws {
        let memory = try Self.shell("ulimit -f 8; exec \"$0\" run hello --slots coalesced")
        #expect(memory.status == 70 && memory.errors.contains("RLIMIT_FSIZE"), "\(memory.status) \(memory.errors)")
    }

    /// Whether system calls can be made to fail here.
    static let hasStrace = FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")

    /// Runs swiftlet, and lets system calls fail as strace's option `inject` says, those of a path only.
    static func inject(_ fault: String, path: String? = nil, _ arguments: String...) throws -> Command.Result {
        let path = path.map { ["-P", $0] } ?? []
        return try Command.run(
            URL(fileURLWithPath: "/usr/bin/strace"),
            ["-f", "-qq", "-o", "/dev/null", "-e", "inject=\(fault)"] + path + [Command.executable.path] + arguments)
    }

    /// Whether a process can be given another /proc here.
    static let canHideProc = (try? shell("unshare -rm mount -t tmpfs none /proc").status) == 0

    @Test(
        "without /proc arguments are still known, and what needs it is an error",
        .enabled(if: canHideProc, "needs namespaces for users"),
        arguments: [("--version", Int32(0)), ("run hello", 0), ("run nobody", 64), ("layout one", 70)])
    func withoutProc(arguments: String, status: Int32) throws {
        let hidden = "mount -t tmpfs none /proc && exec \"$0\" \(arguments)"
        let result = try Self.shell("exec unshare -rm sh -c '\(hidden)' \"$0\"")
        #expect(result.status == status, "\(result.errors)")
        #expect(!result.output.contains("USAGE"))
    }

    @Test(
        "an error of /dev/kvm says what it means", .enabled(if: hasStrace, "needs strace"),
        arguments: [
            ("EMFILE", Int32(70), "ulimit -n"), ("ENFILE", 70, "fs.file-max"), ("EACCES", 69, "group"),
            ("ENOENT", 69, "module"), ("ENOMEM", 70, "memory"),
        ])
    func openErrors(name: String, status: Int32, words: String) throws {
        let result = try Self.inject("openat:error=\(name)", path: "/dev/kvm", "run", "hello")
        #expect(result.status == status && result.errors.contains(words), "\(result.errors)")
        #expect(!result.errors.contains("not a working KVM device"))
    }

    @Test(
        "each request that KVM refuses is an error of the host, not wrong usage",
        .enabled(if: hasStrace, "needs strace"))
    func refusedRequests() throws {
        for number in 1...30 {
            let result = try Self.inject("ioctl:error=EIO:when=\(number)", "run", "hello")
            #expect([0, 69, 70].contains(result.status), "ioctl \(number): \(result.status) \(result.errors)")
        }
    }

    @Test("KVM_RUN that fails while slots churn is an error of the host", .enabled(if: hasStrace, "needs strace"))
    func failedRun() throws {
        // Each thread counts for itself. That of the vCPU asks for nothing but KVM_RUN.
        let result = try Self.inject(
            "ioctl:error=EIO:when=2000+", "stress", "churn", "--slots", "4", "--seconds", "120")
        #expect(result.status == 70, "\(result.status) \(result.errors)")
    }
}
