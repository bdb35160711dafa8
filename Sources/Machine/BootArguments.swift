internal import Board
internal import Firmware
internal import Images

/// The command line and the modules of a multiboot kernel.
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

    /// The command line, whose first word is the kernel's own name by custom. The kernel gets it in UTF-8.
    public var commandLine: String
    /// The modules, in the order in which the kernel finds them.
    public var modules: [Module]

    /// Creates arguments. Without any the kernel gets an empty command line and no modules.
    public init(commandLine: String = "", modules: [Module] = []) {
        self.commandLine = commandLine
        self.modules = modules
    }

    /// Whether there is nothing that only multiboot can pass on.
    var isEmpty: Bool {
        commandLine.isEmpty && modules.isEmpty
    }

    /// Returns the information for a kernel, or nil if the image is no multiboot kernel.
    func info(for image: Image, ram: RAMLayout, conventionalEnd: UInt64) throws(MachineError) -> MultibootInfo? {
        guard let version = image.format.multibootVersion else {
            guard isEmpty else {
                throw .configuration(.bootArguments)
            }
            return nil
        }
        do {
            return try MultibootInfo(
                version, beside: image.segments.map(\.range), ram: ram, conventionalEnd: conventionalEnd,
                commandLine: Array(commandLine.utf8),
                modules: modules.map { MultibootInfo.Module(string: Array($0.string.utf8), size: $0.bytes.count) })
        } catch {
            throw .firmware(error)
        }
    }

    /// Returns what has to be in memory when the kernel starts.
    func bootData(_ info: MultibootInfo) -> [BootData] {
        var data = [BootData(address: info.address, bytes: info.bytes, what: "the boot information")]
        for (index, module) in modules.enumerated() {
            data.append(BootData(address: info.moduleAddresses[index], bytes: module.bytes, what: "module \(index)"))
        }
        return data
    }
}

extension Image.Format {
    fileprivate var multibootVersion: MultibootInfo.Version? {
        switch self {
        case .multiboot: .one
        case .multiboot2: .two
        case .flat, .elf32, .elf64: nil
        }
    }
}
