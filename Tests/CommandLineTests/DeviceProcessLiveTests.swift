import Foundation
import Layouts
import LiveSupport
import PCI
import Testing
import VFIOUser

@testable import swiftlet

@Suite("swiftlet run --vfio-user", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct DeviceProcessLiveTests {
    /// Runs `body` with a directory of sockets at which `typical-16` is served, and with what ends the servers. They are no second process of
    /// Foundation's: the end of a process that lives beside another is not always noticed where there is one processor.
    private func withServers(_ body: (String, @escaping @Sendable () -> Void) throws -> Void) throws {
        let directory = try TemporaryDirectory()
        let servers = try #require(Layout.preset("typical-16")).functions.map { function in
            let served = try PCIFunction(function.description, at: function.address)
            let record = try DeviceRecord(function.description)
            return try DeviceServer(ServedFunction(served, record), at: directory.file("\(function.address)"))
        }
        let end: @Sendable () -> Void = { servers.forEach { $0.stop() } }
        defer { end() }
        try body(directory.path, end)
    }

    @Test("gives functions of another process to the guest, by options and by a layout file", .timeLimit(.minutes(3)))
    func run() throws {
        try withServers { path, _ in
            let layout = try TemporaryFile(
                Array(
                    """
                    {"name": "two", "functions": [
                    {"at": "00:02.0", "vfioUser": "\(path)/00:02.0"}, {"at": "00:03.0", "vfioUser": "\(path)/00:03.0"}]}
                    """.utf8))
            let result = try Command(
                "run", "pci", "--layout", layout.path, "--vfio-user", "\(path)/00:00.0", "--vfio-user",
                "\(path)/00:01.0,at=00:05.0", "--timeout", "60s"
            ).run()
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output.contains("functions 4\n") && result.output.contains("interrupts 4\n"))
            let plan = try Command("plan", layout.path).run()
            #expect(plan.status == 65 && plan.errors.contains("only `run`"), "\(plan.errors)")
        }
    }

    @Test("says that a device process is gone, and the guest goes on", .timeLimit(.minutes(3)))
    func killed() throws {
        try withServers { path, end in
            // jmp to itself
            let guest = try TemporaryFile([0xeb, 0xfe])
            let report = try Command(
                "run", guest.path, "--mode", "real", "--vfio-user", "\(path)/00:00.0", "--report", "-"
            ) { process in
                process.waitForThread("vcpu0")
                end()
                Thread.sleep(forTimeInterval: 0.2)
                kill(process.processIdentifier, SIGINT)
            }.run()
            #expect(report.status == 130, "\(report.errors)")
            #expect(report.errors.contains("lost 00:01.0: the connection was closed"), "\(report.errors)")
            #expect(report.errors.contains(#""lostFunctionList":[{"#))
        }
    }

    @Test("says what is wrong with a socket or a place")
    func usage() throws {
        let nobody = try Command("run", "hello", "--vfio-user", "/nowhere/at/all").run()
        #expect(nobody.status == 70 && nobody.errors.contains("start the device process first"), "\(nobody.errors)")
        let taken = try Command(
            "run", "hello", "--device", "pci-testdev", "--vfio-user", "/nowhere,at=00:01.0"
        ).run()
        #expect(
            taken.status == 64 && taken.errors.contains("there is a function at 00:01.0 already"), "\(taken.errors)")
        #expect(DeviceProcessArgument(argument: "a,at=b,at=00:05.1")?.path == "a,at=b")
        #expect(DeviceProcessArgument(argument: "a,at=00:05.1")?.address == FunctionAddress(text: "00:05.1"))
        #expect(
            DeviceProcessArgument(argument: "a,at=5") == nil && DeviceProcessArgument(argument: "a")?.address == nil)
    }
}
