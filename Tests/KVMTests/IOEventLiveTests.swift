import Host
import LiveSupport
import SystemPackage
import Testing

@testable import KVM

@Suite("KVM_IOEVENTFD", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct IOEventLiveTests {
    @Test("an event is added once and removed once; nothing has signalled it")
    func addAndRemove() throws {
        let system = try KVMSystem()
        let vm = try system.makeVirtualMachine()
        let counter = try SharedDescriptor(eventFor: "a test")
        func set(isPort: Bool = true, isTaken: Bool) -> Int32 {
            vm.setIOEvent(
                address: 0xc080, isPort: isPort, size: 1, match: 0xfa, counter: counter, isTaken: isTaken)
        }
        #expect(set(isTaken: true) == 0)
        #expect(set(isTaken: true) == Errno.fileExists.rawValue)
        // The same number in memory is another place.
        #expect(set(isPort: false, isTaken: true) == 0)
        #expect(set(isTaken: false) == 0)
        #expect(set(isTaken: false) == Errno.noSuchFileOrDirectory.rawValue)
        #expect(counter.take() == 0)
    }

    @Test("there is one timer beside interrupt controllers")
    func timer() throws {
        let system = try KVMSystem()
        let vm = try system.makeVirtualMachine()
        try vm.makeInterruptControllers()
        try vm.makeTimer()
        #expect(throws: KVMError(request: "KVM_CREATE_PIT2", subject: "", errno: .fileExists)) { try vm.makeTimer() }
    }
}
