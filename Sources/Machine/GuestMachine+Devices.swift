internal import Devices
internal import Host
internal import KVM
internal import Memslots
public import PCI

/// A function that ended because its device was lost.
public struct FunctionLoss: Hashable, Sendable {
    /// The function.
    public let function: FunctionAddress
    /// What became of the device.
    public let reason: String
}

extension FunctionLoss: CustomStringConvertible {
    public var description: String { "lost \(function): \(reason)" }
}

extension MachineConfiguration {
    /// Adds a device that somebody else drives, as a PCI function. The device belongs to one machine.
    public mutating func add(_ device: any AssignedDevice, at address: FunctionAddress) throws(MachineError) {
        functions[address] = try AssignedFunction(device, at: address, in: &self)
        sharesMemory = true
    }

    /// The assigned devices by their functions.
    var assignedDevices: [FunctionAddress: any AssignedDevice] {
        functions.compactMapValues { ($0 as? AssignedFunction)?.device }
    }
}

// MARK: - Assigned devices

extension GuestMachine {
    /// Makes what devices need for their interrupts, on a machine that has interrupt controllers.
    static func makeInterrupts(
        _ devices: [FunctionAddress: any AssignedDevice], _ cells: [FunctionAddress: FunctionCell], _ owned: OwnedVM
    ) -> [FunctionAddress: AssignedInterrupts] {
        let routes = RouteTable(owned)
        var interrupts: [FunctionAddress: AssignedInterrupts] = [:]
        for (address, device) in devices {
            _ = cells[address]?.withFunction { function in
                interrupts[address] = AssignedInterrupts(device, line: function.lineNumber ?? 0, owned, routes)
            }
        }
        return interrupts
    }

    /// Gives devices the guest's RAM and their interrupts, and hears of their end.
    func attachDevices() throws(MachineError) {
        for (address, device) in devices.sorted(by: { $0.key < $1.key }) {
            let ram = try state.withLock { (state) throws(MachineError) in try state.memory.installer.store.sharedRAM()
            }
            _ = try addObserver(device.makeObserver(of: ram), of: address)
            if let interrupts = interrupts[address], let cell = state.withLock({ $0.functions[address] }) {
                _ = try cell.withFunction { (function) throws(MachineError) in
                    try interrupts.follow(function.interruptState)
                }
            }
            let reason = device.onLoss { [weak self] reason in self?.lose(address, because: reason) }
            if let reason { throw .deviceLost(address, reason: reason) }
        }
    }

    /// Ends the function of a lost device, gives the device back, and says so once. The caller holds no lock.
    private func lose(_ address: FunctionAddress, because reason: String) {
        let loss = FunctionLoss(function: address, reason: reason)
        let start: SuspendingClock.Instant?? = run.withLock { run in
            guard !run.losses.contains(where: { $0.function == address }) else { return nil }
            run.losses.append(loss)
            return run.firstRun
        }
        // Before the guest can notice, and end the run.
        if let start { tracer?.record("\(loss)", vcpu: 0, since: start ?? .now) { parking.hasStopped } }
        try? changeState { state throws(MachineError) in
            state.endFunctions([address])
            state.giveBack(address)
        }
        interrupts[address]?.end()
        devices[address]?.release()
    }

    /// Takes over what a device has signalled at vectors that are closed. The function's lock is held.
    func collectPending(into function: inout PCIFunction) throws(MachineError) {
        for vector in interrupts[function.address]?.takePending() ?? [] {
            guard let message = function.raise(vector: UInt64(vector)) else { continue }
            try kvm(try owned.vm.signalMSI(address: message.address, data: message.data))
        }
    }

    /// Ends the functions of lost devices, and of those whose memory is no longer whole, because somebody has cut a file of it. The caller
    /// holds no lock. A vCPU that touched such memory can go on then: nothing is mapped there any more.
    ///
    /// - Returns: Whether a device is lost.
    @discardableResult
    func endLostFunctions() -> Bool {
        let lost = devices.compactMapValues { $0.checkMemory() }
        for (address, reason) in lost { lose(address, because: reason) }
        return !lost.isEmpty
    }
}
