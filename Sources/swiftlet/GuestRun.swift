import ArgumentParser
import Host
import Images
import Machine
import Memslots
import PCI
import Synchronization

/// A run as the command line asks for it; nil is the guest's own way, or the machine's. `RunCommand` explains each option.
struct GuestRun {
    var guest = defaultGuest
    var format: Image.Reading?
    var append: String?
    var modules: [ModuleArgument] = []
    var memory: ByteSize?
    var mode: CPUMode?
    var loadAddress: Address?
    var vcpus: Int?
    var irqchip: InterruptController?
    var pit = false
    var devices: [DeviceArgument] = []
    var layout: String?
    var decode: DecodePolicy?
    var slots: SlotPolicy?
    var force = false
    var timeout: TimeSpan?
    var trace: String?
    var map: String?
    var report: String?

    static let defaultGuest = "hello"

    func run() throws {
        let wish = try guestAndMachine()
        let trace = try self.trace.map { try output($0) }
        let reportFile = try self.report.map { try output($0) }
        let console = Console()
        let machine: GuestMachine
        do throws(MachineError) {
            machine = try GuestMachine(
                wish.machine, image: wish.image, bytes: wish.bytes, trace: trace, catchesSignals: true,
                consoleOutput: console.write)
        } catch {
            throw failure(error)
        }
        if let map {
            try MapFile.write(machine.memory, title: guest, to: map)
        }
        let result: RunReport
        do throws(MachineError) {
            result = try machine.run(timeout: timeout?.duration, input: FileBytes.standardInput)
        } catch {
            throw failure(error)
        }
        if !result.outcome.isOrderly {
            explain(result)
        }
        if let reportFile {
            let json = try RunReportJSON(guest: guest, result, processStart: SwiftletCommand.processStart).encoded()
            try emit(json, to: reportFile)
        }
        if result.outcome.isOrderly, console.hasLostBytes {
            throw failure("some of what the guest printed could not be written", status: ExitStatus.hostError)
        }
        throw ExitCode(result.outcome.exitCode)
    }

    private func explain(_ result: RunReport) {
        let states = result.vcpus.map { "\n\($0)" }.joined()
        FileBytes.write(Array("swiftlet: \(guest): \(result.outcome)\(states)\n".utf8), to: FileBytes.standardError)
    }

    /// A descriptor for a file to be written, or for standard error.
    private func output(_ path: String) throws -> Int32 {
        if path == "-" { return FileBytes.standardError }
        do { return try FileBytes.create(path) } catch {
            throw failure("cannot write: \(error)", status: ExitStatus.hostError)
        }
    }
}

extension GuestRun {
    /// A run without options, of which there is nothing to parse, or nil.
    init?(withoutOptions arguments: ArraySlice<String>) {
        guard arguments.count <= 1, arguments.first?.hasPrefix("-") != true else { return nil }
        self.init(guest: arguments.first ?? Self.defaultGuest)
    }
}

/// The guest's console on standard output, and whether all of it got there.
private final class Console: Sendable {
    private let lost = Atomic(false)

    @Sendable func write(_ bytes: [UInt8], isCancelled: () -> Bool) {
        if !FileBytes.write(bytes, to: FileBytes.standardOutput, isCancelled: isCancelled), !isCancelled() {
            lost.store(true, ordering: .relaxed)
        }
    }

    var hasLostBytes: Bool {
        lost.load(ordering: .relaxed)
    }
}
