internal import Board
internal import Host
internal import Layouts
internal import Memslots
internal import PCI
internal import VFIOUser

/// A function of a machine at one moment.
public struct FunctionState: Codable, Sendable {
    /// What stands behind a function.
    public enum Kind: String, Codable, Sendable {
        /// A description or a program's model, a recording, a bridge, a device process, a function of the host, or another
        /// device that the program drives.
        case described, recorded, bridge, vfioUser, vfio, assigned
    }

    /// A base address register.
    public struct Register: Codable, Sendable {
        /// The name of the register.
        public let register: String
        /// The size of the register in bytes.
        public let size: UInt64
        /// The address or port at which the guest reaches the register, or nil if it is not decoded.
        public let address: String?
    }

    /// The address of the function.
    public let function: String
    /// The ids of vendor and device, in the form of lspci.
    public let device: String
    /// What stands behind the function.
    public let kind: Kind
    /// The path of the device process's socket or the name of its connection, or nil for another kind of function.
    public let name: String?
    /// The registers that have sizes.
    public let registers: [Register]
}

extension GuestMachine {
    /// The states of the PCI functions in the order of their addresses. This asks no function, so a function that is in the
    /// middle of an access does not delay the answer.
    public var functionStates: [FunctionState] {
        state.withLock { state in
            var bases: [BAROwner: UInt64] = [:]
            for region in state.decoded.regions { bases[region.owner] = region.range.first.rawValue &- region.offset }
            for region in state.ports.regions { bases[region.owner] = UInt64(region.ports.lowerBound) }
            return state.functions.values.sorted { $0.address < $1.address }.map { cell in
                FunctionState(cell, cell.device) { bases[BAROwner(function: cell.address, register: $0)] }
            }
        }
    }

    /// The functions that have ended in this run because their devices were lost.
    public var lostFunctions: [FunctionLoss] { run.withLock { $0.losses } }
}

extension FunctionState {
    fileprivate init(
        _ cell: FunctionCell, _ behind: (any AssignedDevice)?, base: (BaseAddressRegister) -> UInt64?
    ) {
        let description = cell.shape.description
        function = "\(cell.address)"
        device = hexadecimal(description.vendorID, digits: 4) + ":" + hexadecimal(description.deviceID, digits: 4)
        kind =
            switch behind {
            case is DeviceProcess: .vfioUser
            case is VFIOFunction: .vfio
            case .some: .assigned
            case nil: description.bridge != nil ? .bridge : description.recording != nil ? .recorded : .described
            }
        name = (behind as? DeviceProcess)?.path
        registers = description.registers.compactMap { register in
            description.size(of: register).map {
                Register(register: "\(register)", size: $0, address: base(register).map(hexadecimal))
            }
        }
    }
}
