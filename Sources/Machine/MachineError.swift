public import Board
public import Devices
public import Firmware
public import Host
public import Images
public import KVM
public import Memslots
public import PCI
public import VFIO

/// The reason why a machine could not be made or run. The text says what was asked and which rule or limit it met.
public enum MachineError: Error {
    /// There can be no machine with this configuration, or not on this host.
    case configuration(ConfigurationError)
    /// An experiment cannot be made as it was asked for. The text says why.
    case experiment(String)
    /// The file is no image that can be started.
    case image(ImageError)
    /// The image does not fit into the machine.
    case imagePlacement(ImagePlacementError)
    /// The guest cannot get the boot information or the tables that it expects.
    case firmware(FirmwareError)
    /// KVM cannot be reached.
    case noKVM(KVMError)
    /// KVM refused a request.
    case kvm(KVMError)
    /// The rest of the host refused a request.
    case host(HostError)
    /// A change of guest memory is not possible.
    case memory(AddressSpaceError)
    /// The apertures or the buses cannot be those that were chosen.
    case board(AddressMapError)
    /// A device cannot have the ports or addresses that it was given.
    case bus(BusError)
    /// There can be no function with this description.
    case description(FunctionAddress, DescriptionError)
    /// The apertures have no room for all functions.
    case assignment(AssignmentError)
    /// A mapping shows memory behind the end of its backing. The size is that of the backing in bytes.
    case backingEnds(Mapping, size: UInt64)
    /// More spare memory was asked for than is left. Both are in bytes.
    case outOfSpareMemory(asked: UInt64, left: UInt64)
    /// The kernel would need more memory for the slots than half of what the host has available. Both are in bytes.
    case hostMemory(needed: UInt64, available: UInt64)
    /// There is no such function, or it is lost.
    case functionLost(FunctionAddress)
    /// A function of the host cannot be assigned.
    case vfio(VFIOError)
    /// The device behind a function is lost.
    case deviceLost(FunctionAddress, reason: String)
    /// A function cannot be added to a machine that has been made, or cannot be removed from it.
    case hotPlug(FunctionAddress, HotPlugError)
    /// KVM has no room for the route of another message.
    case tooManyRoutes
    /// The host grants a device fewer vectors than the guest has opened. The vectors beyond those granted are never signalled.
    case tooFewVectors(asked: Int, granted: Int)
    /// A vCPU cannot do what was asked.
    case vcpu(VCPUError)
    /// The machine has run already. A machine runs once.
    case hasRun
}

/// The reason why a function cannot be added to a machine that has been made, or cannot be removed from it.
public enum HotPlugError: String, Error, Sendable {
    /// Another function has the address.
    case taken
    /// The function is a bridge.
    case bridge
    /// The machine was made without functions, so its guest has no way to reach any.
    case noConfigurationSpace
    /// The machine was made with RAM that cannot be given to a device.
    case privateRAM
    /// The machine has bridges, and none of them leads to the function's bus.
    case noBus
    /// The function has an address that the port's slot does not take.
    case notInSlot
    /// The function is not in the slot of a port.
    case noSlot
}

extension HotPlugError: CustomStringConvertible {
    /// Why the function cannot be added or removed, in words.
    public var description: String {
        switch self {
        case .taken: "another function has this address; it must be removed first"
        case .bridge: "a bridge stays as long as its machine"
        case .noBus: "no bridge leads to this bus, and no other function is on it"
        case .notInSlot: "the slot of the port above takes one device: function 0 of device 0 on the bus behind it"
        case .noSlot: "the function is in no slot (hotPlug of a bridge), so there is no button that asks the guest"
        case .noConfigurationSpace: "the machine was made without PCI functions, so it has no configuration space"
        case .privateRAM:
            "the machine's RAM was not made to be shared with devices (sharesMemory, or a device from the start)"
        }
    }
}

/// The reason why a vCPU cannot do what was asked. vCPUs are named by their numbers from 0.
public enum VCPUError: Error, Hashable, Sendable {
    /// There is no vCPU with this number. The machine has `count` vCPUs.
    case none(Int, count: Int)
    /// The vCPU runs, and nobody holds it.
    case notHeld(Int)
    /// A device keeps the vCPU in the middle of an access.
    case kept(Int)
    /// The vCPU's thread has ended.
    case ended(Int)
}

extension VCPUError: CustomStringConvertible {
    /// Why the vCPU cannot do what was asked, in words.
    public var description: String {
        switch self {
        case .none(let id, let count): "there is no vCPU \(id), only vCPUs 0 to \(count - 1)"
        case .notHeld(let id): "vCPU \(id) runs; it has to be paused first"
        case .kept(let id): "vCPU \(id) is in the middle of an access to a device, so its registers can only be read"
        case .ended(let id): "vCPU \(id) has ended its run"
        }
    }
}

/// The reason why no machine can be made from a configuration, or none on this host.
public enum ConfigurationError: Error, Hashable, Sendable {
    /// RAM of 0 bytes, or of a size that is no multiple of the page size.
    case memory(UInt64)
    /// Less than one vCPU.
    case vcpus(Int)
    /// More vCPUs than KVM runs in a machine here.
    case tooManyVCPUs(Int, most: Int)
    /// Several vCPUs without interrupt controllers, so that nothing could start the others.
    case vcpusWithoutInterruptController(Int)
    /// A timer without interrupt controllers, so that its interrupt goes nowhere.
    case timerWithoutInterruptController
    /// RAM that passes the last address of the processor.
    case memoryBeyond(UInt64, addressBits: Int)
    /// Memory beside the RAM that passes the last address of the processor.
    case extraSlotBeyond(GuestRange, addressBits: Int)
    /// Memory beside the RAM that overlaps configuration space or an interrupt controller, which is the second range.
    case extraSlotTaken(GuestRange, GuestRange)
    /// RAM and BARs of more than 2^64 bytes in all.
    case sum
    /// RAM with an end that page tables in low memory do not reach. They map `most` GiB.
    case pageTables(end: UInt64, most: UInt64)
    /// A command line or modules for a guest that is neither a multiboot kernel nor one of Linux or PVH.
    case bootArguments
    /// Values of registers for a kernel whose boot protocol says what registers hold.
    case presetRegisters
    /// RAM that is too small for data that the guest finds at its start.
    case tooLittleMemory(what: String, address: GuestAddress)
}

/// The reason why an image cannot be loaded or started at its place.
public enum ImagePlacementError: Error, Hashable, Sendable {
    /// An entry at which real mode cannot start.
    case entryInRealMode(GuestAddress)
    /// An entry that protected mode cannot reach.
    case entryInProtectedMode(GuestAddress)
    /// The image overlaps data that the guest finds at its start.
    case overBootData(GuestRange, what: String, address: GuestAddress)
    /// A part of the image lies where the guest has no memory. The name is that of the part, if it has one.
    case outsideRAM(GuestRange, name: String?)
}

extension MachineError: CustomStringConvertible {
    /// What was asked, and the rule or limit that it met.
    public var description: String {
        switch self {
        case .experiment(let text): text
        case .configuration(let error): "\(error)"
        case .image(let error): "\(error)"
        case .imagePlacement(let error): "\(error)"
        case .firmware(let error): "\(error)"
        case .noKVM(let error):
            "\(error.subject.isEmpty ? error.request : error.subject) cannot be used (\(error.errno))"
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
            "cannot allocate \(asked) bytes: \(left) bytes of spare memory are left"
        case .hostMemory(let needed, let available):
            "the kernel needs up to \(needed >> 20) MiB for these memory slots, more than half of the \(available >> 20) MiB that "
                + "the host has available"
        case .functionLost(let address): "\(address): there is no function, or what stood behind it is gone"
        case .vfio(let error): "\(error)"
        case .deviceLost(let address, let reason): "\(address): \(reason)"
        case .tooFewVectors(let asked, let granted):
            "the guest has opened \(asked) vectors of a device, but the host grants only \(granted)"
        case .hotPlug(let address, let error): "\(address): \(error)"
        case .tooManyRoutes: "KVM has 4096 routes of interrupts, and all are taken"
        case .vcpu(let error): "\(error)"
        case .hasRun: "the machine has run already, and a machine runs once: make another"
        }
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// What was asked, and the rule or limit that it met.
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
        case .extraSlotTaken(let range, let taken):
            "extra memory at \(range) overlaps configuration space or an interrupt controller at \(taken)"
        case .sum: "more than 2^64 bytes of memory in RAM and BARs"
        case .pageTables(let end, let most):
            "guest memory that ends at \(hexadecimal(end)): page tables in low memory map at most \(most)G"
        case .bootArguments:
            "a command line or modules for a guest without a boot protocol, which could pass them on"
        case .presetRegisters: "values of registers were given, but the boot protocol of this kernel sets the registers"
        case .tooLittleMemory(let what, let address): "the memory is too small to hold \(what) at \(address)"
        }
    }
}

extension ImagePlacementError: CustomStringConvertible {
    /// What was asked, and the rule or limit that it met.
    public var description: String {
        switch self {
        case .entryInRealMode(let entry): "entry \(entry): in real mode it must be a multiple of 16 below 1M"
        case .entryInProtectedMode(let entry):
            "entry \(entry): in protected mode it must be below 4G; long mode reaches it"
        case .overBootData(let range, let what, let address): "the image at \(range) lies over \(what) at \(address)"
        case .outsideRAM(let range, let name):
            "\(name ?? "the image") needs memory at \(range), where the guest has none"
        }
    }
}

// MARK: - Wrapping what the layers below throw

/// Returns the result of a call, and throws a refusal by KVM as a machine error.
package func kvm<Result: ~Copyable>(_ call: @autoclosure () throws(KVMError) -> Result) throws(MachineError) -> Result {
    do { return try call() } catch { throw .kvm(error) }
}

/// Returns the result of a call, and throws a refusal by the host as a machine error.
package func host<Result: ~Copyable>(_ call: @autoclosure () throws(HostError) -> Result) throws(MachineError) -> Result
{
    do { return try call() } catch { throw .host(error) }
}

/// Returns the result of a call, and throws an error of the firmware as a machine error.
func firmware<Result>(_ call: @autoclosure () throws(FirmwareError) -> Result) throws(MachineError) -> Result {
    do { return try call() } catch { throw .firmware(error) }
}

/// Opens KVM. A failure is a case of its own, because the user can do something about it.
package func reachable(_ call: @autoclosure () throws(KVMError) -> KVMSystem) throws(MachineError) -> KVMSystem {
    do { return try call() } catch { throw .noKVM(error) }
}
