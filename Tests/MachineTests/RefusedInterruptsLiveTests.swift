import Devices
import Host
import LiveSupport
import Memslots
import PCI
import Testing
import VFIOUser
import VFIOUserSupport

@testable import Machine

/// Counts the calls to KVM for interrupts, and has one of them refused in KVM's place.
private final class InterruptFaults: Sendable {
    private let state = Lock((next: 0, refused: Int?.none))

    init(in machine: GuestMachine) {
        machine.owned.refusal.withLock { refusal in
            refusal = CallRefusal { call in
                guard call == .interrupt else { return nil }
                return self.state.withLock { state in
                    defer { state.next += 1 }
                    return state.next == state.refused ? .outOfMemory : nil
                }
            }
        }
    }

    /// Restarts the count of calls at 0. Returns the count before.
    ///
    /// - Parameter call: The number, in the new count, of the call to refuse. Nil to refuse no call.
    @discardableResult
    func refuse(_ call: Int?) -> Int {
        state.withLock { state in
            defer { state = (0, call) }
            return state.next
        }
    }
}

/// What KVM can refuse of the interrupts of a device that comes, is used and goes.
@Suite("Refused interrupts", .serialized, .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct RefusedInterruptsLiveTests {
    @Test("if a call for interrupts is refused, nothing is left behind, and a later try succeeds")
    func refusedInterrupts() throws {
        let (comes, counts) = (HotPlugLiveTests.comes, HotPlugLiveTests.counts)
        let machine = try HotPlugLiveTests.machine(.separate)
        let (faults, before) = (InterruptFaults(in: machine), try counts(machine))
        var servers: [ScriptedServer] = []
        /// Adds a device with a line, and lets it have four messages in its stead. Each call is refused once. Returns the number of calls.
        func add() throws -> (adding: Int, opening: Int) {
            var (adding, opening) = (0, 0)
            while true {
                faults.refuse(adding)
                let server = try ScriptedServer()
                servers.append(server)
                do {
                    try machine.add(DeviceProcess(path: server.path), at: comes)
                    break
                } catch is MachineError {}
                #expect(try counts(machine) == before, "call \(adding)")
                adding += 1
            }
            let added = try counts(machine)
            #expect(added.held.interruptEvents == 1 && added.held.routes == 0)
            try machine.writeConfiguration(7, of: comes, at: 4, width: .word)
            try machine.writeConfiguration(0xfee0_0000, of: comes, at: 0x54, width: .doubleword)
            try machine.writeConfiguration(0x40, of: comes, at: 0x5c, width: .word)
            while true {
                faults.refuse(opening)
                do throws(MachineError) {
                    try machine.writeConfiguration(0x21, of: comes, at: 0x52, width: .word)
                    if faults.refuse(nil) <= opening { break }
                } catch {}
                faults.refuse(nil)
                try machine.writeConfiguration(0, of: comes, at: 0x52, width: .word)
                #expect(try counts(machine) == added, "call \(opening)")
                opening += 1
            }
            #expect(machine.held.interruptEvents == 4 && machine.held.routes == 4)
            return (adding, opening)
        }
        var call = 0
        while true {
            let calls = try add()
            #expect(calls.adding >= 1 && calls.opening >= 6)
            faults.refuse(call)
            try machine.remove(at: comes)
            #expect(try counts(machine) == before, "call \(call) of the removal")
            if faults.refuse(nil) <= call { break }
            call += 1
        }
        #expect(call >= 5)
    }
}
