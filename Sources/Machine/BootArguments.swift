internal import Board
internal import Firmware
internal import Images

/// The command line and the modules of a kernel that a boot protocol starts. Linux takes one module, as its initial RAM disk.
public struct BootArguments: Hashable, Sendable {
    /// A file that the kernel finds in its memory.
    public struct Module: Hashable, Sendable {
        /// The string that the kernel finds with the module. The kernel gets it in UTF-8.
        public var string: String
        /// The contents of the module.
        public var bytes: [UInt8]

        /// Creates a module.
        public init(string: String, bytes: [UInt8]) {
            self.string = string
            self.bytes = bytes
        }
    }

    /// The command line. Its first word is the kernel's own name by custom. The kernel gets the command line in UTF-8.
    public var commandLine: String
    /// The modules, in the order in which the kernel finds them.
    public var modules: [Module]

    /// Creates arguments. Without any the kernel gets an empty command line and no modules.
    public init(commandLine: String = "", modules: [Module] = []) {
        self.commandLine = commandLine
        self.modules = modules
    }

    /// Whether there is neither a command line nor a module, which only a boot protocol can pass on.
    var isEmpty: Bool {
        commandLine.isEmpty && modules.isEmpty
    }

    /// Returns the state in which a kernel starts if its image has a boot protocol, otherwise nil.
    func startState(for image: Image, _ memory: KernelMemory) throws(MachineError) -> StartState? {
        let line = Array(commandLine.utf8)
        switch image.format {
        case .multiboot, .multiboot2:
            let sizes = modules.map { MultibootInfo.Module(string: Array($0.string.utf8), size: $0.bytes.count) }
            let version: MultibootInfo.Version = image.format == .multiboot ? .one : .two
            let info = try firmware(try MultibootInfo(version, in: memory, commandLine: line, modules: sizes))
            return StartState(
                entry: image.entry, info: info.address, bootData(info), magic: info.version.bootMagic,
                stackTop: info.stackTop)
        case .linux(let header):
            let info = try firmware(
                try KernelInfo(
                    linux: header.bytes, at: LinuxHeader.offset, commandLineSize: header.commandLineSize,
                    initrdAddressMax: header.initrdAddressMax, memory, commandLine: line, modules: modules.map(\.bytes))
            )
            return try StartState(linux: info, entry: image.entry)
        case .pvh:
            let info = try firmware(try KernelInfo(pvh: memory, commandLine: line, modules: modules.map(\.bytes)))
            return StartState(entry: image.entry, info: info.address, info.data)
        case .flat, .elf32, .elf64: return nil
        }
    }

    /// Returns the data that must be in memory when a multiboot kernel starts.
    private func bootData(_ info: MultibootInfo) -> [BootData] {
        var data = [BootData(address: info.address, bytes: info.bytes, what: "the boot information")]
        for (index, module) in modules.enumerated() {
            data.append(BootData(address: info.moduleAddresses[index], bytes: module.bytes, what: "module \(index)"))
        }
        return data
    }
}
