import ArgumentParser
import Host
import VFIO

struct VFIOCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vfio",
        abstract: "List this host's PCI functions, and what is missing to assign each to a guest.",
        discussion: """
            Nothing is changed. With the names of functions, prints also the commands that mend what is missing.

            Examples:
              swiftlet vfio
              swiftlet vfio 0000:01:00.0
            """)

    @Argument(help: ArgumentHelp("Functions as the kernel names them, such as 0000:01:00.0.", valueName: "function"))
    var functions: [String] = []

    @Option(help: ArgumentHelp("Read a copy of /sys.", valueName: "dir"))
    var sysfs = "/sys"

    @Option(help: ArgumentHelp("Look for the files of VFIO below a copy of /dev.", valueName: "dir"))
    var devices = "/dev"

    @OptionGroup var output: OutputOptions

    func run() throws {
        let host = HostFunctions(sysfs: sysfs, devices: devices)
        let directory = "\(sysfs)/bus/pci/devices"
        guard sysfs == "/sys" || HostDirectory.names(in: directory) != nil else {
            throw failure("cannot read \(directory): --sysfs names a copy of /sys", .badInput)
        }
        do throws(VFIOError) {
            for name in functions { _ = try host.named(name) }
        } catch { throw failure("\(error)", .usage) }
        let rows = host.functions.filter { functions.isEmpty || functions.contains($0.name) }.map { function in
            FunctionRow(function, host.obstacles(to: function))
        }
        let limit = KernelLimits.lockedMemory
        try output.show(FunctionReport(functionList: rows, lockedMemoryLimit: limit), text(rows, limit))
    }

    private func text(_ rows: [FunctionRow], _ lockedMemory: UInt64?) -> String {
        let table = TextTable(
            rows,
            [
                .left("function") { $0.function }, .left("identity") { "\($0.vendor ?? "?"):\($0.device ?? "?")" },
                .left("driver") { $0.driver ?? "" }, .right("group") { $0.group.map { "\($0)" } ?? "" },
                .left("missing") { $0.missing.map(\.what).joined(separator: ", ") },
            ])
        var text = table.text
        if let lockedMemory {
            text += "\n\nGuests may have \(lockedMemory >> 20) MiB of RAM here (ulimit -l): DMA pins it."
        }
        for row in rows where !functions.isEmpty && !row.missing.isEmpty {
            text += "\n\nTo assign \(row.function):"
            for command in row.missing.flatMap(\.commands) { text += "\n    \(command)" }
        }
        return text
    }
}

/// The result as `vfio` prints it in JSON.
private struct FunctionReport: Encodable {
    private let schema = 1
    let functionList: [FunctionRow]
    let lockedMemoryLimit: UInt64?
}

private struct FunctionRow: Encodable {
    let function: String
    let vendor, device, driver: String?
    let group: Int?
    let missing: [Missing]

    struct Missing: Encodable {
        let what: String
        let commands: [String]
    }

    init(_ function: HostFunction, _ obstacles: [AssignmentObstacle]) {
        self.function = function.name
        func digits(_ id: UInt32?) -> String? { id.map { String(String($0 | 0x1_0000, radix: 16).dropFirst()) } }
        (vendor, device) = (digits(function.vendorID), digits(function.deviceID))
        (driver, group) = (function.driver, function.group)
        missing = obstacles.map { Missing(what: $0.what, commands: $0.commands(for: function.name)) }
    }
}

extension AssignmentObstacle {
    /// A few words for what is missing.
    var what: String {
        switch self {
        case .bridge: "a bridge cannot be assigned"
        case .noGroup: "no IOMMU group"
        case .module(let name): "module \(name)"
        case .driver(let name): name.map { "has the driver \($0)" } ?? "no driver, needs vfio-pci"
        case .sharedGroup(let function, let driver): "\(function) of its group has the driver \(driver)"
        case .permission(let path): "permission for \(path)"
        }
    }

    /// The shell commands that remove the obstacle. A comment if no command does.
    func commands(for function: String) -> [String] {
        switch self {
        case .bridge: ["# name the functions behind it"]
        case .noGroup:
            [
                "# switch the IOMMU on in the firmware, and boot with intel_iommu=on where dmesg does not name DMAR or AMD-Vi"
            ]
        case .module(let name): ["sudo modprobe \(name)"]
        case .driver(let driver): Self.bind(function, from: driver)
        case .sharedGroup(let other, let driver): Self.bind(other, from: driver)
        case .permission(let path): ["sudo chown $USER \(path)"]
        }
    }

    private static func bind(_ function: String, from driver: String?) -> [String] {
        let directory = "/sys/bus/pci/devices/\(function)"
        return ["echo vfio-pci | sudo tee \(directory)/driver_override"]
            + (driver == nil ? [] : ["echo \(function) | sudo tee \(directory)/driver/unbind"])
            + ["echo \(function) | sudo tee /sys/bus/pci/drivers_probe"]
    }
}
