internal import Host
internal import KVM
internal import Memslots

/// Finds out whether data watchpoints stop a guest here. Where KVM emulates instructions, it accepts them and they never do.
enum WatchpointProbe {
    /// mov [0x800], al; hlt, from address 0 in real mode
    private static let code: [UInt8] = [0xa2, 0x00, 0x08, 0xf4]

    /// Runs two instructions in a machine of one page.
    static func canWatch() throws(MachineError) -> Bool {
        let host = try reachable(try KVMSystem())
        let vm = try kvm(try host.makeVirtualMachine())
        var memory = try Machine.host(try MappedFile(name: "watchpoint-probe", capacity: Page.size))
        try Machine.host(try memory.resize(to: Page.size))
        memory.write(code.span, at: 0)
        let result = vm.setMemoryRegion(
            slot: 0, flags: 0, guestAddress: 0, size: Page.size, hostAddress: memory.address)
        guard result == 0 else { return false }
        let cpu = try kvm(try vm.makeVirtualCPU(id: 0))
        var system = try kvm(try cpu.systemRegisters())
        system.cs.base = 0
        system.cs.selector = 0
        try kvm(try cpu.setSystemRegisters(system))
        try kvm(try cpu.setGeneralRegisters(GeneralRegisters()))
        var debug = GuestDebug()
        debug.watches = [GuestDebug.Watch(address: 0x800, access: .write)]
        try kvm(try cpu.setGuestDebug(debug))
        if case .debug = cpu.runUntilExit() { return true }
        return false
    }
}
