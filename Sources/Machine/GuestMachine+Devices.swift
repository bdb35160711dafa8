internal import Devices
internal import Host
internal import KVM
internal import Memslots
public import PCI
internal import Synchronization

/// A function that ended because its device was lost.
public struct FunctionLoss: Hashable, Sendable {
    /// The function.
    public let function: FunctionAddress
    /// The reason why the device was lost.
    public let reason: String
}

extension FunctionLoss: CustomStringConvertible {
    /// One line with the function and the reason.
    public var description: String { "lost \(function): \(reason)" }
}

extension MachineConfiguration {
    /// Adds a device that somebody else drives, as a PCI function. A device belongs to one machine.
    public mutating func add(_ device: any AssignedDevice, at address: FunctionAddress) throws(MachineError) {
        functions[address] = try AssignedFunction(device, at: address, in: &self)
        sharesMemory = true
    }

    /// The assigned devices, by the addresses of their functions.
    var assignedDevices: [FunctionAddress: any AssignedDevice] {
        functions.compactMapValues { ($0 as? AssignedFunction)?.device }
    }
}

// MARK: - Assigned devices

extension GuestMachine {
    /// Makes the interrupts of a device, if the machine has interrupt controllers.
    func makeParts(of device: any AssignedDevice, _ function: PCIFunction) -> AssignedParts {
        let hasControllers = layout.configuration.interruptController == .kernel
        return AssignedParts(
            device: device,
            interrupts: hasControllers
                ? AssignedInterrupts(device, line: function.lineNumber ?? 0, owned) : nil)
    }

    /// Gives devices the guest's RAM and their interrupts, and watches for their loss.
    func attachDevices(_ devices: [FunctionAddress: any AssignedDevice]) throws(MachineError) {
        for (address, device) in devices.sorted(by: { $0.key < $1.key }) {
            guard let cell = state.withLock({ $0.functions[address] }) else { continue }
            _ = try addObserver(device.makeObserver(of: sharedRAM), of: address)
            _ = try cell.withFunction { (function) throws(MachineError) in
                let parts = makeParts(of: device, function)
                cell.assigned.withLock { $0 = parts }
                try parts.interrupts?.follow(function.interruptState)
            }
            try watch(device, of: cell)
        }
    }

    /// The RAM in the form in which devices get it.
    var sharedRAM: SharedRAM { state.withLock { $0.memory.installer.store.sharedRAM } }

    /// Watches for the loss of a device. Throws if the device is lost already.
    func watch(_ device: any AssignedDevice, of cell: FunctionCell) throws(MachineError) {
        let reason = device.onLoss { [weak self, weak cell] reason in if let cell { self?.lose(cell, because: reason) }
        }
        if let reason { throw .deviceLost(cell.address, reason: reason) }
    }

    /// The functions with assigned devices.
    var assignedFunctions: [FunctionCell] { state.withLock { $0.functions.values.filter { $0.device != nil } } }

    /// Ends the function of a lost device, and reports the loss once. The caller holds no lock.
    private func lose(_ cell: FunctionCell, because reason: String) {
        // The loss is reported before the guest can see that the function is gone, and end the run.
        if !cell.hasLeft.exchange(true, ordering: .acquiringAndReleasing) {
            let loss = FunctionLoss(function: cell.address, reason: reason)
            let start = run.withLock { run in
                run.losses.append(loss)
                return run.firstRun
            }
            note(.lost(loss))
            tracer?.record("\(loss)", vcpu: 0, since: start ?? .now) { parking.hasStopped }
        }
        try? changeState { state throws(MachineError) in
            if state.functions[cell.address] === cell { state.endFunctions([cell.address]) }
        }
        leaveSlot(cell.address)
        endGoneFunctions()
    }

    /// Releases the interrupt lines, the devices with their interrupts, and the memory of functions that are gone. The caller
    /// holds no lock.
    func endGoneFunctions() {
        let cells = state.withLock { $0.takeGone() }
        for cell in cells {
            if let line = cell.end() { try? owned.changeLine(line, isRaised: false) }
        }
        state.withLock { state in for cell in cells { state.release(cell.resources) } }
    }

    /// Raises the closed vectors that a device has signalled. The function notes a vector as pending, or the machine sends the
    /// vector's message. The caller holds the function's lock.
    func collectPending(into function: inout PCIFunction, of cell: FunctionCell) throws(MachineError) {
        for vector in cell.interrupts?.takePending() ?? [] {
            guard let message = function.raise(vector: UInt64(vector)) else { continue }
            try kvm(try owned.vm.signalMSI(address: message.address, data: message.data))
        }
    }

    /// Ends the functions of lost devices. A device is also lost if its memory is no longer whole, because somebody has cut a
    /// file of it. The caller holds no lock. A vCPU that touched such memory can go on afterwards, because nothing is mapped
    /// there any more.
    ///
    /// - Returns: Whether a device has been lost in this run.
    @discardableResult
    func endLostFunctions() -> Bool {
        for cell in assignedFunctions {
            if let reason = cell.device?.checkMemory() { lose(cell, because: reason) }
        }
        return run.withLock { !$0.losses.isEmpty }
    }
}
