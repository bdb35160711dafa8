import KVM

/// Opens `/dev/kvm`, and looks at a vCPU as it is after reset.
func look() throws {
    let system = try KVMSystem()
    let vm = try system.makeVirtualMachine()
    print("\(Capability.memslots.name): \(try vm.capability(.memslots))")
    let cpu = try vm.makeVirtualCPU(id: 0)
    print("a vCPU begins at 0x\(String(try cpu.generalRegisters().rip, radix: 16))")
}

try look()
