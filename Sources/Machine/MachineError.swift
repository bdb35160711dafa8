public import Board
public import Devices
public import Host
public import Images
public import KVM
public import Memslots
internal import SystemPackage

/// Why a machine could not be made or run: whose fault it was, and what to do.
public enum MachineError: Error {
    /// The wish itself cannot be met, whatever the host.
    case configuration(String)
    case image(ImageError)
    /// The image does not fit into the machine.
    case imagePlacement(String)
    /// KVM cannot be reached.
    case noKVM(KVMError)
    case kvm(KVMError)
    case host(HostError)
    case memory(AddressSpaceError)
    case board(AddressMapError)
    case bus(BusError)
    case pci(PCIError)
    /// The slots would take more than half of the memory that the host has available, in bytes.
    case hostMemory(needed: UInt64, available: UInt64)
}

extension MachineError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .configuration(let text), .imagePlacement(let text): text
        case .image(let error): "\(error)"
        case .noKVM(let error): "\(error.subject) cannot be used (\(error.errno)): \(Self.advice(for: error))"
        case .kvm(let error): "\(error)"
        case .host(let error): "\(error)"
        case .memory(let error): "\(error)"
        case .board(let error): "\(error)"
        case .bus(let error): "\(error)"
        case .pci(let error): "\(error)"
        case .hostMemory(let needed, let available):
            "the kernel needs up to \(needed >> 20) MiB for these memory slots, more than half of the \(available >> 20) MiB that "
                + "the host has available: give the guest less memory, or insist (--force)"
        }
    }

    private static func advice(for error: KVMError) -> String {
        switch error.errno {
        case .permissionDenied, .notPermitted:
            "join the group that owns it (usually `sudo usermod -aG kvm $USER`, then log in again)"
        case .noSuchFileOrDirectory, .noSuchAddressOrDevice, Errno(rawValue: 19):
            "load the module (`sudo modprobe kvm_intel` or `kvm_amd`), switch virtualisation on in the firmware, or pass "
                + "the device into the container"
        default:
            "it is not a working KVM device"
        }
    }
}

// MARK: - Wrapping what the layers below throw

/// The result of a call whose refusal by KVM becomes a machine error; likewise the functions below.
package func kvm<Result: ~Copyable>(_ call: @autoclosure () throws(KVMError) -> Result) throws(MachineError) -> Result {
    do { return try call() } catch { throw .kvm(error) }
}

package func host<Result: ~Copyable>(_ call: @autoclosure () throws(HostError) -> Result) throws(MachineError) -> Result
{
    do { return try call() } catch { throw .host(error) }
}

/// Opening `/dev/kvm` is a case of its own, for the user can do something about it.
package func reachable(_ call: @autoclosure () throws(KVMError) -> KVMSystem) throws(MachineError) -> KVMSystem {
    do { return try call() } catch { throw .noKVM(error) }
}

func bus<Result: ~Copyable>(_ call: @autoclosure () throws(BusError) -> Result) throws(MachineError) -> Result {
    do { return try call() } catch { throw .bus(error) }
}
