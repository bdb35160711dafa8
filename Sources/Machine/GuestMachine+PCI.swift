internal import Board
public import Devices
public import Memslots
public import PCI
internal import Synchronization

/// A machine's PCI functions, from any thread, as its guest would reach them.
extension GuestMachine {
    /// Reads a register in configuration space; all ones where there is no function.
    public func readConfiguration(of function: FunctionAddress, at register: UInt64, width: AccessWidth) -> UInt64 {
        state.withLock { state in
            let address = ecam(function, register)
            return state.pci?.accessMemory(address, width: width, writing: nil)?.value ?? width.allOnes
        }
    }

    /// Writes a register in configuration space; memory follows what the function decodes then. Where KVM refuses that,
    /// it is thrown: memory is as before, the register is not, and the machine is not to be run any more.
    public func writeConfiguration(
        _ value: UInt64, of function: FunctionAddress, at register: UInt64, width: AccessWidth
    ) throws(MachineError) {
        try locked { state throws(MachineError) in
            let address = ecam(function, register)
            if let effects = state.pci?.accessMemory(address, width: width, writing: value) {
                try state.carryOut(effects)
            }
        }
    }

    private func ecam(_ function: FunctionAddress, _ register: UInt64) -> GuestAddress {
        GuestAddress(layout.board.ecam.first.rawValue + RootComplex.ecamOffset(of: function, register: register))
    }

    /// The edits of slots so far.
    public var edits: EditCounts {
        state.withLock { $0.memory.space.table.edits }
    }
}
