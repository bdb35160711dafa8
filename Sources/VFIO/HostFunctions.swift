internal import Host

/// A PCI function of the host.
public struct HostFunction: Hashable, Sendable {
    /// The function as the kernel names it, such as `0000:01:00.0`.
    public let name: String
    /// The vendor ID, device ID and class code that sysfs gives, or nil where it gives none.
    public let vendorID, deviceID, classCode: UInt32?
    /// The name of the function's driver, or nil if it has none.
    public let driver: String?
    /// The number of the function's IOMMU group, or nil if it is in none.
    public let group: Int?

    /// Whether the function is a bridge. No guest can have a bridge, and its driver may stay while other functions of its group are
    /// assigned.
    public var isBridge: Bool { classCode.map { $0 >> 16 == 6 } ?? false }
}

/// Something that keeps a function from being assigned.
public enum AssignmentObstacle: Hashable, Sendable {
    /// A bridge cannot be assigned.
    case bridge
    /// The host has no IOMMU, or it is off.
    case noGroup
    /// A module of the kernel is not loaded.
    case module(String)
    /// The function has another driver than vfio-pci, or none.
    case driver(String?)
    /// Another function of the group has a driver of the host.
    case sharedGroup(function: String, driver: String)
    /// The user may not open the file of the group, or of VFIO itself.
    case permission(path: String)
}

/// The PCI functions of the host, and what VFIO can do with them. Nothing on the host is changed.
public struct HostFunctions: Sendable {
    /// The functions, by name.
    public let functions: [HostFunction]
    /// The directory with the files of devices, which is `/dev` on a host.
    public let deviceDirectory: String
    private let sysfs: String

    /// Reads the functions of the host, or those that copies of its directories `/sys` and `/dev` describe.
    public init(sysfs: String = "/sys", devices: String = "/dev") {
        let root = "\(sysfs)/bus/pci/devices"
        functions = (HostDirectory.names(in: root) ?? []).map { name in
            func number(_ file: String) -> UInt32? {
                let text = (try? readFile("\(root)/\(name)/\(file)", limit: 4096, waits: false)).map {
                    String(decoding: $0, as: UTF8.self)
                }
                return text.flatMap { UInt32($0.drop { "0x".contains($0) }.prefix(while: \.isHexDigit), radix: 16) }
            }
            return HostFunction(
                name: name, vendorID: number("vendor"), deviceID: number("device"), classCode: number("class"),
                driver: HostDirectory.linkedName("\(root)/\(name)/driver"),
                group: HostDirectory.linkedName("\(root)/\(name)/iommu_group").flatMap { Int($0) })
        }
        self.sysfs = sysfs
        deviceDirectory = devices
    }

    /// Returns the function with a name, or throws if there is none.
    public func named(_ name: String) throws(VFIOError) -> HostFunction {
        guard let function = functions.first(where: { $0.name == name }) else { throw VFIOError(.noFunction, of: name) }
        return function
    }

    /// Returns the function with a name, or throws if no guest can have it, whatever its driver is. No guest can have a bridge or a
    /// function without a group.
    public func assignable(_ name: String) throws(VFIOError) -> HostFunction {
        let function = try named(name)
        guard !function.isBridge else { throw VFIOError(.bridge, of: name) }
        guard function.group != nil else { throw VFIOError(.noGroup, of: name) }
        return function
    }

    /// Returns the drivers that keep VFIO from having a group, by the names of the functions that have these drivers.
    func foreignDrivers(in group: Int) -> [String: String] {
        let drivers = functions.filter { $0.group == group && !$0.isBridge }.compactMap { function in
            function.driver.flatMap { Self.drivers.contains($0) ? nil : (function.name, $0) }
        }
        return Dictionary(uniqueKeysWithValues: drivers)
    }

    /// The drivers with which a function does not keep VFIO from having its group (`vfio_dev_viable`).
    private static let drivers: Set<String> = ["vfio-pci", "pci-stub", "pcieport"]

    /// Returns the obstacles that keep a function from being assigned, in the order in which a user removes them.
    public func obstacles(to function: HostFunction) -> [AssignmentObstacle] {
        if function.isBridge { return [.bridge] }
        guard let group = function.group else { return [.noGroup] }
        var obstacles: [AssignmentObstacle] = []
        if HostDirectory.names(in: "\(sysfs)/bus/pci/drivers/vfio-pci") == nil { obstacles.append(.module("vfio-pci")) }
        if HostDirectory.isWritable("\(deviceDirectory)/vfio/vfio") == nil {
            obstacles.append(.module("vfio_iommu_type1"))
        }
        if function.driver != "vfio-pci" { obstacles.append(.driver(function.driver)) }
        for (name, driver) in foreignDrivers(in: group).sorted(by: { $0.key < $1.key }) where name != function.name {
            obstacles.append(.sharedGroup(function: name, driver: driver))
        }
        for file in ["vfio", "\(group)"] {
            let path = "\(deviceDirectory)/vfio/\(file)"
            if HostDirectory.isWritable(path) == false { obstacles.append(.permission(path: path)) }
        }
        return obstacles
    }
}
