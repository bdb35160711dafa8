internal import Board
internal import Images

/// What a multiboot kernel is given beside itself.
public struct BootArguments: Hashable, Sendable {
    /// A file in the guest's memory.
    public struct Module: Hashable, Sendable {
        /// The string that the kernel finds with it, in UTF-8.
        public var string: String
        public var bytes: [UInt8]

        public init(string: String, bytes: [UInt8]) {
            self.string = string
            self.bytes = bytes
        }
    }

    /// In UTF-8; its first word is the kernel's own name, by custom.
    public var commandLine: String
    public var modules: [Module]

    public init(commandLine: String = "", modules: [Module] = []) {
        self.commandLine = commandLine
        self.modules = modules
    }

    /// Whether there is anything that only multiboot can pass on.
    var isEmpty: Bool {
        commandLine.isEmpty && modules.isEmpty
    }

    /// The information for a kernel, or nil where the image is none of multiboot.
    func info(for image: Image, ram: RAMLayout) throws(MachineError) -> MultibootInfo? {
        guard image.format == .multiboot else {
            guard isEmpty else {
                throw .configuration(.bootArguments)
            }
            return nil
        }
        do {
            return try MultibootInfo(
                for: image, ram: ram, commandLine: Array(commandLine.utf8),
                modules: modules.map { MultibootInfo.Module(string: Array($0.string.utf8), size: $0.bytes.count) })
        } catch {
            throw .image(.multiboot(error))
        }
    }

    /// What has to be in memory when the kernel starts.
    func bootData(_ info: MultibootInfo) -> [StartState.BootData] {
        var data = [StartState.BootData(address: info.address, bytes: info.bytes, what: "the boot information")]
        for (index, module) in modules.enumerated() {
            data.append(
                StartState.BootData(
                    address: info.moduleAddresses[index], bytes: module.bytes, what: "module \(index)"))
        }
        return data
    }
}
