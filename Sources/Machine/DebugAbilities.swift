internal import Host
internal import KVM
internal import Memslots

/// The kinds of debug registers that stop a guest on this host. KVM takes all kinds everywhere, but where KVM or the processor
/// below it emulates instructions, some kinds do nothing.
struct DebugAbilities {
    /// Whether debug registers that watch for instructions stop the guest.
    var breakpoints = false
    /// Whether debug registers that watch for accesses to memory stop the guest.
    var watchpoints = false

    /// The guest's code from address 0 in real mode: nop; mov [0x800], al; hlt
    private static let code: [UInt8] = [0x90, 0xa2, 0x00, 0x08, 0xf4]
    private static let watches = [
        GuestDebug.Watch(address: 1, access: .execution), GuestDebug.Watch(address: 0x800, access: .write),
    ]

    /// Tries both kinds in a machine with one page.
    static func probe() throws(MachineError) -> DebugAbilities {
        let kvm = try reachable(try KVMSystem())
        let vm = try Machine.kvm(try kvm.makeVirtualMachine())
        let memory = try host(try HostMemory(size: Page.size, inHugePages: false))
        defer { withExtendedLifetime(memory) {} }
        memory.write(code.span, at: 0)
        _ = vm.setMemoryRegion(slot: 0, flags: 0, guestAddress: 0, size: Page.size, hostAddress: memory.address)
        return try Machine.kvm(try watched(try vm.makeVirtualCPU(id: 0)))
    }

    /// Runs the code once for each kind. Returns which kinds have stopped it.
    private static func watched(_ cpu: consuming VirtualCPU) throws(KVMError) -> DebugAbilities {
        var system = try cpu.systemRegisters()
        system.cs.base = 0
        system.cs.selector = 0
        try cpu.setSystemRegisters(system)
        try cpu.setGeneralRegisters(GeneralRegisters())
        var abilities = DebugAbilities()
        for watch in watches {
            var debug = GuestDebug()
            debug.watches = [watch]
            try cpu.setGuestDebug(debug)
            // Code that does not stop runs to its end. It begins anew for the next kind.
            if case .debug = cpu.runUntilExit() {
                if watch.access == .execution { abilities.breakpoints = true } else { abilities.watchpoints = true }
            }
            try cpu.setGeneralRegisters(GeneralRegisters())
        }
        return abilities
    }
}
