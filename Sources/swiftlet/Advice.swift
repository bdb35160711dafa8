import Board
import Firmware
import Images
import KVM
import Layouts
import Machine
import Memslots
import PCI
import SystemPackage
import VFIO
import VFIOUser

/// Advice on errors of the libraries. The libraries do not know the options of the command line.
extension MachineError {
    /// The advice for the user of the command line. Nil if there is none.
    var advice: String? {
        switch self {
        case .configuration(.vcpusWithoutInterruptController): "add --irqchip kernel"
        case .configuration(.timerWithoutInterruptController): "add --irqchip kernel, or leave out --pit"
        case .configuration(.pageTables): "give the guest less (--memory), or start in protected mode"
        case .configuration(.tooLittleMemory): "give it more memory (--memory)"
        case .imagePlacement(.overBootData):
            "load it elsewhere (--load-address), from \(MachineConfiguration.defaultLoadAddress) on"
        case .imagePlacement(.outsideRAM(_, let name)) where name?.contains(".note") == true:
            "tell the linker to leave the note out (--build-id=none, or discard .note*), or to place it with the rest"
        case .imagePlacement(.outsideRAM): "give it more memory (--memory), or load or link it lower"
        case .board(.segments):
            "--flat puts all functions into one segment, and --buses gives each segment fewer buses"
        case .assignment(.fixed): "--fix chose the address: choose another one, or leave it out"
        case .firmware(.noRoom): "give it more memory (--memory)"
        case .firmware(.manyModules): "give it as --initrd, and no --module"
        case .image(let error): error.advice
        case .vfio(let error):
            switch error.cause {
            case .rule(let violation) where violation.rule == .lockedMemory:
                "raise it (ulimit -l), or give the guest less (--memory)"
            case .rule: "give the guest less (--memory)"
            default: "`swiftlet vfio\(error.function.map { " \($0)" } ?? "")` tells what is missing"
            }
        case .hotPlug(_, .noConfigurationSpace): "start it with --layout or --device"
        case .functionLost: "`swiftlet control PATH list` shows the functions that are there"
        case .noKVM(let error): Self.advice(forOpening: error.errno)
        case .memory(.tooManySlots): "map less, or let neighbours share slots (--slots coalesced)"
        case .hostMemory(let needed, let available):
            // The user cannot insist on memory that the host does not have.
            "give the guest less memory" + (needed < available ? ", or insist (--force)" : "")
        default: nil
        }
    }

    /// Whether the host has no KVM for this process. False if it has one, and only resources are missing.
    var lacksKVM: Bool {
        guard case .noKVM(let error) = self else { return false }
        switch error.errno {
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .interrupted, .ioError: return false
        default: return true
        }
    }

    private static func advice(forOpening errno: Errno) -> String? {
        switch errno {
        case .permissionDenied, .notPermitted:
            "join the group that owns it (usually `sudo usermod -aG kvm $USER`, then log in again)"
        case .noSuchFileOrDirectory, .noSuchAddressOrDevice, Errno(rawValue: 19):
            "load the module (`sudo modprobe kvm_intel` or `kvm_amd`), switch virtualisation on in the firmware, or pass "
                + "the device into the container"
        case .inappropriateIOCTLForDevice, .notSupported, .invalidArgument: "it is not a working KVM device"
        case .tooManyOpenFiles: "the process has as many files open as it may (`ulimit -n`)"
        case .tooManyOpenFilesInSystem: "the host has as many files open as it can (fs.file-max)"
        default: nil
        }
    }
}

extension DeviceProcessError {
    /// The advice on the error. Nil if there is none.
    var advice: String? {
        switch self {
        case .host: "start the device process first"
        case .silent(.version), .connection: "it may serve another client, or be no vfio-user server"
        default: nil
        }
    }
}

extension ImageError {
    var advice: String? {
        switch self {
        case .multiboot(.wrongChecksum): "then say so (--format elf or flat)"
        case .foreign(.bootSector): "--format flat --mode real --load-address 0x7c00"
        case .noPVHEntry: "to start it at e_entry, say --format elf"
        case .foreign: "to run its bytes all the same, say --format flat"
        default: nil
        }
    }
}

extension DumpWarning {
    /// Whether the plan lacks something because of what the warning says.
    var isLack: Bool { isSkipped || reason.isUnsure }

    /// The warning, with advice on how to give the sizes that the dump lacks.
    var withAdvice: String { "\(self)" + (reason.advice.map { "; \($0)" } ?? "") }
}

extension DumpWarning.Reason {
    /// The options that give the missing sizes. Nil if no sizes are missing.
    var advice: String? {
        let options = unsized.map { "--size \($0)=SIZE" }.joined(separator: " ")
        return options.isEmpty ? nil : "give what is known as \(options), a size such as 16M or `none`"
    }
}
