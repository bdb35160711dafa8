import KVM
import LiveSupport
import SystemPackage
import Testing

@Suite("KVM_IOEVENTFD", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct IOEventLiveTests {
    private let event = IOEvent(address: 0xc080, isPort: true, size: 1, match: 0xfa)

    @Test("an event is added once and removed once; nothing has signalled it")
    func addAndRemove() throws {
        let system = try KVMSystem()
        let vm = try system.makeVirtualMachine()
        let counter = try EventCounter()
        try vm.add(event, signalling: counter)
        #expect(throws: KVMError("KVM_IOEVENTFD", "1 bytes at port 0xc080", errno: .fileExists)) {
            try vm.add(event, signalling: counter)
        }
        // The same number in memory is another place.
        var inMemory = event
        inMemory.isPort = false
        try vm.add(inMemory, signalling: counter)
        try vm.remove(event, signalling: counter)
        #expect(throws: KVMError("KVM_IOEVENTFD", "1 bytes at port 0xc080", errno: .noSuchFileOrDirectory)) {
            try vm.remove(event, signalling: counter)
        }
        #expect(counter.take() == 0)
    }

    @Test("there is one timer beside interrupt controllers")
    func timer() throws {
        let system = try KVMSystem()
        let vm = try system.makeVirtualMachine()
        try vm.makeInterruptControllers()
        try vm.makeTimer()
        #expect(throws: KVMError("KVM_CREATE_PIT2", errno: .fileExists)) { try vm.makeTimer() }
    }
}
