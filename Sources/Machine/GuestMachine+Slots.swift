internal import Host
public import PCI
internal import Synchronization

/// The slot of a port, into which functions are plugged while the guest runs.
final class PortSlot: Sendable {
    /// The address that a function in the slot has.
    let address: FunctionAddress
    /// Whether the function in the slot leaves when the guest switches the power off. The thread that lets the slot follow a
    /// change holds this lock.
    fileprivate let isLeaving = Lock(false)

    init(_ address: FunctionAddress) { self.address = address }
}

extension GuestMachine {
    /// Asks the guest to let the function in a slot go, as if somebody pressed the slot's attention button. The function goes
    /// when the guest switches the slot's power off, or at once if the slot has no power. A guest that does not listen keeps
    /// the function. If the button is pressed twice before the guest looks, the guest sees one press.
    ///
    /// - Throws: The reason why the guest cannot be asked.
    public func requestRemoval(of address: FunctionAddress) throws(MachineError) {
        guard state.withLock({ $0.functions[address] != nil }) else { throw .functionLost(address) }
        guard let port = portWithSlot(for: address) else { throw .hotPlug(address, .noSlot) }
        try settle(port, isButtonPressed: true, isLeaving: true)
    }

    /// Returns the port in whose slot a function with this address is or would be, or nil if there is none.
    func portWithSlot(for address: FunctionAddress) -> FunctionCell? {
        state.withLock { state in
            let port = state.decoded.bridges.bridge(above: address).flatMap { state.functions[$0] }
            return port?.slot == nil ? nil : port
        }
    }

    /// Lets the slot of a port follow a change: the guest has switched the power, or a function has come or gone. The caller
    /// holds no lock.
    ///
    /// - Parameters:
    ///   - isButtonPressed: Whether somebody presses the attention button. Without a function in the slot this has no effect.
    ///   - isLeaving: Whether the function in the slot goes when the power is off.
    /// - Throws: The reason why the function cannot lose what it decodes, or cannot go. The function is then still there.
    func settle(
        _ port: FunctionCell, isButtonPressed: Bool = false, isLeaving: Bool = false
    ) throws(MachineError) {
        guard let slot = port.slot else { return }
        defer { endGoneFunctions() }
        try slot.isLeaving.withLock { (leaves) throws(MachineError) in
            var cell = state.withLock { $0.functions[slot.address] }
            leaves = cell != nil && (leaves || isLeaving)
            let hasPower = port.withFunction { $0.hasSlotPower == true } ?? false
            if let present = cell {
                try setPower(hasPower, of: present)
                if !hasPower, leaves {
                    try take(present)
                    (cell, leaves) = (nil, false)
                }
            }
            let isOccupied = cell != nil
            _ = try port.withFunction { function throws(MachineError) in
                let outcome = function.setSlot(
                    isOccupied: isOccupied, isButtonPressed: isButtonPressed && isOccupied)
                try carryOut(outcome, &function, port)
            }
        }
    }

    /// Switches the power of a function. A function without power is as after reset, and nobody reaches it.
    private func setPower(_ hasPower: Bool, of cell: FunctionCell) throws(MachineError) {
        _ = try cell.withFunction { function throws(MachineError) in
            if function.hasPower, !hasPower { try apply(function.proposeReset(), of: &function, cell) }
            function.hasPower = hasPower
        }
        if !hasPower { lint?.forget(cell.address) }
    }

    /// Removes a function from the state, unless another thread has done so. The caller still ends the function
    /// (`endGoneFunctions`).
    func take(_ cell: FunctionCell) throws(MachineError) {
        try changeState { state throws(MachineError) in
            if state.functions[cell.address] === cell { try state.remove(cell) }
        }
        // If the function's device is lost from now on, this is no loss of the machine.
        cell.hasLeft.store(true, ordering: .releasing)
    }
}
