import Images
import Machine
import Memslots
import Synchronization

/// A guest of a few bytes, its machine, and what it printed.
struct TinyGuest {
    var code: [UInt8]
    var configuration = MachineConfiguration(mode: .real)

    /// mov al, v; out 0xf4, al: the run ends with status v.
    static func exit(_ status: UInt8) -> [UInt8] {
        [0xb0, status, 0xe6, 0xf4]
    }

    /// jmp to itself.
    static let spin: [UInt8] = [0xeb, 0xfe]

    func machine(output: Output = Output(), trace: Int32? = nil) throws -> GuestMachine {
        let image = try Image.flat(byteCount: code.count, at: MachineConfiguration.defaultLoadAddress)
        return try GuestMachine(
            configuration, image: image, bytes: code, trace: trace, lint: nil, consoleOutput: output.append)
    }

    /// Runs the guest to its end, for no longer than `timeout`.
    func run(input: Int32? = nil, timeout: Duration = .seconds(10)) throws -> (report: RunReport, output: [UInt8]) {
        let output = Output()
        let report = try machine(output: output).run(timeout: timeout, input: input)
        return (report, output.bytes)
    }

    /// What a guest has printed so far.
    final class Output: Sendable {
        private let collected = Mutex<[UInt8]>([])

        var bytes: [UInt8] {
            collected.withLock { $0 }
        }

        @Sendable func append(_ bytes: [UInt8], isCancelled: () -> Bool) {
            collected.withLock { $0 += bytes }
        }
    }
}

extension GuestRange {
    /// A range that a test knows to be valid.
    init(at first: UInt64, size: UInt64) {
        guard let range = GuestRange(first: GuestAddress(first), size: size) else {
            preconditionFailure("\(first) + \(size)")
        }
        self = range
    }
}
