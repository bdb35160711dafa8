public import Board
public import Devices
public import Host
public import Images
public import KVM
public import Memslots
public import PCI

/// Why a machine could not be made or run. The text says what was asked and which rule or limit it met.
public enum MachineError: Error {
    /// What was asked cannot be, whatever the host.
    case configuration(ConfigurationError)
    /// An experiment cannot be done as it was asked for; the text says why.
    case experiment(String)
    case image(ImageError)
    /// The image does not fit into the machine.
    case imagePlacement(ImagePlacementError)
    /// KVM cannot be reached.
    case noKVM(KVMError)
    case kvm(KVMError)
    case host(HostError)
    case memory(AddressSpaceError)
    case board(AddressMapError)
    case bus(BusError)
    case description(FunctionAddress, DescriptionError)
    case assignment(AssignmentError)
    /// A mapping shows more than its backing has, in bytes.
    case backingEnds(Mapping, size: UInt64)
    /// More memory was asked for than the machine was made with, in bytes.
    case outOfSpareMemory(asked: UInt64, left: UInt64)
    /// The slots would take more than half of the memory that the host has available, in bytes.
    case hostMemory(needed: UInt64, available: UInt64)
    /// The function is lost: what stood behind it is gone.
    case functionLost(FunctionAddress)
}

/// What no machine can be made of.
public enum ConfigurationError: Error, Hashable, Sendable {
    case memory(UInt64)
    case vcpus(Int)
    case tooManyVCPUs(Int, most: Int)
    case vcpusWithoutInterruptController(Int)
    case timerWithoutInterruptController
    case memoryBeyond(UInt64, addressBits: Int)
    case extraSlotBeyond(GuestRange, addressBits: Int)
    /// More than 2^64 bytes in all.
    case sum
    /// Page tables in low memory do not reach the end of the RAM.
    case pageTables(end: UInt64, most: UInt64)
    /// A command line or modules for a guest that is no multiboot kernel.
    case bootArguments
    /// RAM in which what the guest finds at its start does not fit.
    case tooLittleMemory(what: String, address: GuestAddress)
}

/// Where an image cannot lie.
public enum ImagePlacementError: Error, Hashable, Sendable {
    case entryInRealMode(GuestAddress)
    case entryInProtectedMode(GuestAddress)
    /// The image lies over something that the guest finds at its start.
    case overBootData(GuestRange, what: String, address: GuestAddress)
    case outsideRAM(GuestRange)
}

extension MachineError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .experiment(let text): text
        case .configuration(let error): "\(error)"
        case .image(let error): "\(error)"
        case .imagePlacement(let error): "\(error)"
        case .noKVM(let error): "\(error.subject) cannot be used (\(error.errno))"
        case .kvm(let error): "\(error)"
        case .host(let error): "\(error)"
        case .memory(let error): "\(error)"
        case .board(let error): "\(error)"
        case .bus(let error): "\(error)"
        case .description(let address, let error): "\(address): \(error)"
        case .assignment(let error): "\(error)"
        case .backingEnds(let mapping, let size):
            "\(mapping.owner) at \(mapping.range) needs \(mapping.range.size) bytes from \(hexadecimal(mapping.backing.offset)) on "
                + "in backing \(mapping.backing.id), which has \(size)"
        case .outOfSpareMemory(let asked, let left):
            "\(asked) bytes of memory: \(left) are left of what the machine was made with"
        case .hostMemory(let needed, let available):
            "the kernel needs up to \(needed >> 20) MiB for these memory slots, more than half of the \(available >> 20) MiB that "
                + "the host has available"
        case .functionLost(let address): "\(address): what stands behind the function is gone"
        }
    }
}

extension ConfigurationError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .memory(0): "a memory of 0 bytes: a guest needs at least one page, 4K"
        case .memory(let bytes): "a memory of \(bytes) bytes: it must be a multiple of the page size, 4096"
        case .vcpus(let count): "\(count) vCPUs: a machine needs at least one"
        case .tooManyVCPUs(let count, let most):
            "\(count) vCPUs: KVM runs at most \(most) in a machine here (KVM_CAP_MAX_VCPUS)"
        case .vcpusWithoutInterruptController(let count):
            "\(count) vCPUs without an interrupt controller: the others could not be started"
        case .timerWithoutInterruptController: "a timer without an interrupt controller"
        case .memoryBeyond(let bytes, let bits):
            "a memory of \(bytes) bytes: guest-physical addresses have \(bits) bits here, so RAM and the hole below 4G must end "
                + "at or below \(hexadecimal(1 << UInt64(bits)))"
        case .extraSlotBeyond(let range, let bits):
            "extra memory at \(range): guest-physical addresses have \(bits) bits here"
        case .sum: "more than 2^64 bytes of memory in RAM and BARs"
        case .pageTables(let end, let most):
            "guest memory that ends at \(hexadecimal(end)): page tables in low memory map at most \(most)G"
        case .bootArguments: "a command line or modules for a guest that is no multiboot kernel: nobody would tell it of them"
        case .tooLittleMemory(let what, let address): "the memory is too small to hold \(what) at \(address)"
        }
    }
}

extension ImagePlacementError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .entryInRealMode(let entry): "entry \(entry): in real mode it must be a multiple of 16 below 1M"
        case .entryInProtectedMode(let entry):
            "entry \(entry): in protected mode it must be below 4G; long mode reaches it"
        case .overBootData(let range, let what, let address): "the image at \(range) lies over \(what) at \(address)"
        case .outsideRAM(let range): "the image needs memory at \(range), where the guest has none"
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
