import Board
import Host
import Images
import Laboratory
import Layouts
import Machine
import Memslots
import PCI
import VFIOUser

/// The choice of the guest to run, and of its machine.
extension GuestRun {
    struct RequestedMachine {
        var machine: MachineConfiguration
        var image: Image
        var bytes: [UInt8]
        /// The names that a dump gives to the functions of the layout, by their addresses.
        var names: [String: String] = [:]

        /// Whether the image lies where the text screen is. In that case, the bytes there may be the image's, and need not have
        /// been printed.
        var coversTextScreen: Bool {
            image.segments.contains { $0.range.contains(GuestAddress(BootMemory.textScreen)) }
        }
    }

    /// Whether the guest is a file. A name with a slash names a file.
    var isFile: Bool { guest.contains("/") }

    func guestAndMachine() throws -> RequestedMachine {
        var requested = try isFile ? file() : builtIn()
        if let memory { requested.machine.memory = memory.value }
        if let vcpus { requested.machine.vcpus = vcpus }
        if let slots { requested.machine.policy = slots }
        if let decode { requested.machine.decode = decode }
        if let onRefusal { requested.machine.onRefusal = onRefusal }
        requested.machine.board = board
        requested.machine.assignsAddresses = !unassigned
        requested.machine.hasTimer = pit
        requested.machine.acpi = acpi
        requested.machine.traceLimit = traceLimit?.value
        requested.machine.features = cpu?.features ?? [:]
        requested.machine.registers = registers?.values ?? [:]
        if let statusOf { requested.machine.exitStatus = statusOf.rule }
        if let layout {
            requested.machine.functions = [:]
            let layout = try LayoutArgument(name: layout).load(selection, connects: true).layout
            requested.machine.add(layout)
            requested.names = layout.functionNames
            for (address, source) in layout.assigned.sorted(by: { $0.key < $1.key }) {
                switch source {
                case .process(let path): try requested.machine.add(connect(to: path), at: address)
                case .host(let name): try assign(name, at: address, in: &requested.machine)
                }
            }
        }
        if unassigned, !selection.fixed.isEmpty {
            throw failure(
                "--fix chooses an address, and with --unassigned the guest does: leave one of them out", .usage)
        }
        if layout == nil, !selection.isEverything {
            throw failure("an option is about the functions of a layout, and there is none: add --layout", .usage)
        }
        for device in devices {
            requested.machine.functions[try freeAddress(for: device.rawValue, in: requested.machine)] = device.model
        }
        for function in vfio {
            let address = try function.address ?? freeAddress(for: function.name, in: requested.machine)
            try assign(function.name, at: address, in: &requested.machine)
        }
        for process in deviceProcesses {
            let address = try process.address ?? freeAddress(for: process.path, in: requested.machine)
            guard requested.machine.functions[address] == nil, requested.machine.vfio[address] == nil else {
                throw failure("--vfio-user \(process.path): there is a function at \(address) already", .usage)
            }
            try requested.machine.add(connect(to: process.path), at: address)
        }
        let needsFunctions = [("--decode", decode != nil), ("--unassigned", unassigned), ("--lint", lint != nil)]
        if requested.machine.functions.isEmpty, requested.machine.vfio.isEmpty,
            let option = needsFunctions.first(where: \.1)?.0
        {
            throw failure(
                "\(option) is about PCI functions, and \(guest) has none: add --layout, --device, --vfio or --vfio-user",
                .usage
            )
        }
        requested.machine.mayExhaustHost = force
        // Device processes that are added later must be able to map the RAM.
        if control != nil { requested.machine.sharesMemory = true }
        if let irqchip {
            requested.machine.interruptController = irqchip
        } else if requested.machine.vcpus > 1 || pit {
            requested.machine.interruptController = .kernel
        }
        try addBootArguments(to: &requested)
        return requested
    }

    private func builtIn() throws -> RequestedMachine {
        guard let builtIn = BuiltInGuest.named(guest) else {
            throw failure(unknownGuest, .usage)
        }
        guard mode == nil, loadAddress == nil, format == nil, registers == nil else {
            throw failure(
                "`\(guest)` is built in for \(builtIn.configuration.mode.rawValue) mode at its address: --mode, "
                    + "--load-address, --registers and --format are for files", .usage)
        }
        return RequestedMachine(
            machine: builtIn.configuration, image: try image(of: builtIn.image), bytes: builtIn.image)
    }

    private var unknownGuest: String {
        if guest.isEmpty { return "the guest's name is empty: `swiftlet guests` lists those that are built in" }
        return FileKind(of: guest) != .none && FileKind(of: guest + "/.") != .directory
            ? "`\(guest)` is not a built-in guest; to run the file, name it with a slash: ./\(guest)"
            : "there is no built-in guest `\(guest)`: `swiftlet guests` lists them, and a file is named with a slash (./\(guest))"
    }

    private func file() throws -> RequestedMachine {
        let memory = self.memory?.value ?? MachineConfiguration.memoryForLinux
        guard memory > 0 else {
            throw failure("a memory of 0 bytes: a guest needs at least one page, 4K", .usage)
        }
        let remedy = "the guest's memory of \(memory) bytes: give it more (--memory)"
        let bytes = try InputFile(guest, kind: "guest", limit: Int(clamping: memory), remedy: remedy).bytes
        let image = try image(of: bytes)
        if image.format != .flat, loadAddress != nil {
            throw failure(
                "\(guest) is \(image.format.kind), which says itself where it lies: leave out --load-address", .usage)
        }
        if let own = image.mode, let mode, own != mode {
            throw failure(
                "\(guest) is \(image.format.kind) for \(own.rawValue) mode: leave out --mode \(mode.rawValue)", .usage)
        }
        guard !image.format.isKernel || registers == nil else {
            throw failure(
                "\(guest) is \(image.format.kind), whose registers its specification gives: leave out --registers",
                .usage)
        }
        if case .linux = image.format, !force, try HostProbe.execution() == .emulated {
            throw failure(
                "\(guest) is \(image.format.kind), and KVM carries out each instruction in its emulator here, which does not know "
                    + "all that Linux executes: take a host with hardware virtualisation, or insist (--force)",
                .kvmMissing)
        }
        var machine = MachineConfiguration(for: image)
        machine.mode = image.mode ?? mode ?? .long
        return RequestedMachine(machine: machine, image: image, bytes: bytes)
    }

    private func image(of bytes: [UInt8]) throws -> Image {
        let address = loadAddress.map { GuestAddress($0.value) } ?? MachineConfiguration.defaultLoadAddress
        do {
            return try Image.load(bytes, as: format, flatLoadAddress: address)
        } catch {
            throw failure("\(guest): \(error)" + (error.advice.map { ": \($0)" } ?? ""), .badInput)
        }
    }

    // MARK: Devices and boot arguments

    private func assign(
        _ name: String, at address: FunctionAddress, in machine: inout MachineConfiguration
    ) throws {
        guard !machine.vfio.values.contains(name) else { throw failure("--vfio \(name): it is named twice", .usage) }
        guard machine.functions[address] == nil, machine.vfio[address] == nil else {
            throw failure("--vfio \(name): there is a function at \(address) already", .usage)
        }
        machine.vfio[address] = name
    }

    private func connect(to path: String) throws -> DeviceProcess {
        do { return try DeviceProcess(path: path) } catch {
            throw failure("\(path): \(error)\(error.advice.map { ": \($0)" } ?? "")", .hostError)
        }
    }

    /// Returns the lowest free device number of bus 0. By custom, device 0 is a host bridge.
    private func freeAddress(for name: String, in machine: MachineConfiguration) throws -> FunctionAddress {
        guard let address = FunctionAddress.firstFree(beside: Array(machine.functions.keys) + machine.vfio.keys) else {
            throw failure("no room for \(name): bus 0 has 31 places for devices, and all are taken", .usage)
        }
        return address
    }

    private func addBootArguments(to requested: inout RequestedMachine) throws {
        let format = requested.image.format
        guard !needsLinux || format.isKernel && !format.isMultiboot else {
            throw failure(
                "--linux \(guest): it is \(format.kind), and no Linux kernel (bzImage, or vmlinux with a PVH entry)",
                .badInput)
        }
        guard format.isKernel else {
            guard append == nil, modules.isEmpty, initrd == nil else {
                throw failure(
                    "\(guest) is \(format.kind), and only kernels with a boot protocol take --append, --module and --initrd",
                    .usage)
            }
            return
        }
        guard initrd == nil || !format.isMultiboot else {
            throw failure("\(guest) is \(format.kind), which takes --module: leave out --initrd", .usage)
        }
        let limit = requested.machine.memory
        let remedy = "the guest's memory of \(limit) bytes: give it more (--memory)"
        requested.machine.boot = BootArguments(
            commandLine: format.isMultiboot
                ? guest + (append.map { " " + $0 } ?? "") : append ?? GuestRun.linuxConsole,
            modules: try (initrd.map { [ModuleArgument(path: $0)] } ?? [] + modules).map { module in
                let file = try InputFile(
                    module.path, kind: initrd == nil ? "module" : "initial RAM disk", limit: Int(clamping: limit),
                    remedy: remedy)
                return BootArguments.Module(string: module.string, bytes: file.bytes)
            })
    }
}

extension GuestRun {
    /// The command line with which Linux prints to COM1.
    static let linuxConsole = "console=ttyS0"
}

extension Image.Format {
    fileprivate var kind: String {
        switch self {
        case .flat: "a flat file"
        case .elf32, .elf64: "an ELF file"
        case .multiboot: "a multiboot kernel"
        case .multiboot2: "a multiboot 2 kernel"
        case .linux: "a Linux kernel"
        case .pvh: "a kernel with a PVH entry"
        }
    }

    fileprivate var isMultiboot: Bool { [.multiboot, .multiboot2].contains(self) }
}
