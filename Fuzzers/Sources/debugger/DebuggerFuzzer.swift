import Debugging
import Fuzzing

/// A fuzzer that takes any bytes as those of a debugger's client. Each line of the input becomes a packet. A line that begins
/// with a zero byte is sent unchanged, without that byte.
enum DebuggerFuzzer {
    static func start() {
        fuzz { bytes in
            let target = Target()
            var session = DebugSession(target: target)
            for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
                let answer = session.receive(line.first == 0 ? Array(line.dropFirst()) : packet(line))
                expect(answer.count < 1 << 17, "an answer of \(answer.count) bytes")
                if session.isRunning, line.count % 2 == 0 { _ = session.report(.breakpoint, of: line.count % 3) }
            }
            _ = session.reportEnd(status: 1)
            expect(session.hasEnded, "a session without end")
        }
    }

    private static func packet(_ data: ArraySlice<UInt8>) -> [UInt8] {
        let digits = String(data.reduce(UInt8(0), &+), radix: 16)
        return Array("$".utf8) + data + Array("#\(digits.count < 2 ? "0" : "")\(digits)".utf8)
    }

    /// A target with three threads and a page of memory.
    private final class Target: DebugTarget {
        let threadCount = 3
        let canWatch = true
        let canBreak = true
        let commands = "slots"
        private var registers = [UInt8](repeating: 0, count: RegisterLayout.size)
        private var memory = [UInt8](repeating: 0, count: 4096)

        func summary(of thread: Int) -> String { "\(registers(of: thread) == nil)" }

        func registers(of thread: Int) -> [UInt8]? {
            expect((0..<threadCount).contains(thread), "thread \(thread)")
            return registers
        }

        func setRegisters(_ bytes: [UInt8], of thread: Int) -> Bool {
            guard bytes.count == registers.count else { return false }
            registers = bytes
            return true
        }

        func read(count: Int, at address: UInt64, on thread: Int) -> [UInt8] {
            expect(count >= 0, "\(count) bytes")
            return address < 4096 ? Array(memory[Int(address)...].prefix(count)) : []
        }

        func write(_ bytes: [UInt8], at address: UInt64, on thread: Int) -> Bool {
            guard address < 4096, bytes.count <= 4096 - Int(address) else { return false }
            memory.replaceSubrange(Int(address)..<Int(address) + bytes.count, with: bytes)
            return true
        }

        func resume(_ actions: [Int: ThreadAction], plan: StopPlan) {
            expect(!actions.isEmpty && actions.keys.allSatisfy { (0..<threadCount).contains($0) }, "\(actions)")
            expect(plan.registers.count <= StopPlan.registerCount, "\(plan)")
        }

        func pause() {}
        func kill() {}
        func release() {}
        func answer(to command: String) -> String? { command == commands ? "none" : nil }
    }
}

@_cdecl("fuzzer")
public func fuzzer() {
    DebuggerFuzzer.start()
}
