import LiveSupport
import SystemPackage
import Testing

@testable import KVM

@Suite("KVM_SET_GSI_ROUTING", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct InterruptRoutesLiveTests {
    @Test("KVM takes as many routes of messages as there are numbers, beside those of lines")
    func all() throws {
        let vm = try KVMSystem().makeVirtualMachine()
        try vm.makeInterruptControllers()
        var routes = InterruptRoutes()
        while let number = routes.freeNumber {
            routes.set(address: 0xfee0_0000, data: number & 0xff, of: number)
        }
        #expect(routes.count == 4096 - 40)
        try vm.setRoutes(routes)
        routes.remove(1000)
        #expect(routes.freeNumber == 1000)
        try vm.setRoutes(routes)
        // One more than KVM allows.
        routes.set(address: 0xfee0_0000, data: 0, of: 1000)
        routes.set(address: 0xfee0_0000, data: 0, of: 4090)
        #expect(throws: KVMError(request: "KVM_SET_GSI_ROUTING", subject: "4057 messages", errno: .invalidArgument)) {
            try vm.setRoutes(routes)
        }
    }
}
