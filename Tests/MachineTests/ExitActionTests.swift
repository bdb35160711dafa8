import Devices
import Testing

@testable import KVM
@testable import Machine

@Suite("From exits to actions")
struct ExitActionTests {
    @Test("port accesses of 1, 2 and 4 bytes go to the port bus", arguments: [UInt8(1), 2, 4])
    func ports(size: UInt8) {
        let access = PortAccess(port: 0x3f8, size: size, isOutput: true)
        let width = AccessWidth(rawValue: Int(size))
        #expect(width.map { ExitAction(for: .port(access)) == .accessPort(access, $0) } == true)
    }

    @Test("a port access of any other size ends the run instead of trapping", arguments: [UInt8(0), 3, 5, 8, 255])
    func oddPorts(size: UInt8) {
        let action = ExitAction(for: .port(PortAccess(port: 0, size: size, isOutput: false)))
        #expect(action == .end(.internalError("a port access of \(size) bytes")))
    }

    @Test("memory accesses of every size go to the memory bus", arguments: UInt32(0)...9)
    func memory(size: UInt32) {
        let access = MemoryAccess(address: .max, size: size, isWrite: true, value: .max)
        #expect(ExitAction(for: .memory(access)) == .accessMemory(access))
    }

    @Test("interruptions and interrupt windows resume", arguments: [Exit.interrupted, .interruptWindow])
    func resumes(exit: Exit) {
        #expect(ExitAction(for: exit) == .resume)
    }

    @Test("HLT and a triple fault end the run, each in its way")
    func ends() {
        #expect(ExitAction(for: .halt) == .end(.halted))
        #expect(ExitAction(for: .shutdown) == .end(.shutdown))
    }

    @Test(
        "what cannot be handled ends the run and says what it was",
        arguments: [
            (Exit.systemEvent(2), "system event 2"), (.entryFailure(0x80), "0x80"), (.internalError(1), "emulator"),
            (.internalError(3), "internal error 3"), (.unknown(0x7b), "0x7b"), (.failure(14), "errno 14"),
            (.unsupported(99), "exit 99"),
        ])
    func failures(exit: Exit, words: String) {
        guard case .end(let outcome) = ExitAction(for: exit) else {
            Issue.record("\(exit) does not end the run")
            return
        }
        #expect(outcome.name == "internalError" && outcome.isFault && "\(outcome)".contains(words))
    }

    @Test(
        "the exit status is the guest's low byte, but a failure stays one",
        arguments: [(UInt32(0), Int32(0)), (7, 7), (255, 255), (256, 1), (0x1_0001, 1), (0xffff_ff00, 1)])
    func exitCodes(value: UInt32, code: Int32) {
        #expect(Outcome.exited(value).exitCode == code)
    }
}
