import FoundationEssentials
import Testing

@testable import VFIO

/// Copies of the directories that Linux has for PCI functions, made up.
@Suite struct HostFunctionsTests {
    private let root = FileManager.default.temporaryDirectory.path + "/swiftlet-vfio-\(UInt64.random(in: 0 ... .max))"

    private func link(_ path: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }

    private func make(_ functions: [(name: String, classCode: String, driver: String?, group: Int?)]) throws {
        for function in functions {
            let directory = "\(root)/sys/bus/pci/devices/\(function.name)"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            for (file, text) in [("vendor", "0x8086"), ("device", "0x10d3"), ("class", function.classCode)] {
                try Data("\(text)\n".utf8).write(to: URL(filePath: "\(directory)/\(file)"))
            }
            if let driver = function.driver { try link("\(directory)/driver", to: "../../drivers/\(driver)") }
            if let group = function.group { try link("\(directory)/iommu_group", to: "../../iommu_groups/\(group)") }
        }
    }

    private func makeVFIO(groups: [Int]) throws {
        for directory in ["sys/bus/pci/drivers/vfio-pci", "dev/vfio"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(directory)", withIntermediateDirectories: true)
        }
        for file in ["vfio"] + groups.map({ "\($0)" }) {
            try Data().write(to: URL(filePath: "\(root)/dev/vfio/\(file)"))
        }
    }

    private var functions: HostFunctions { HostFunctions(sysfs: "\(root)/sys", devices: "\(root)/dev") }

    private func obstacles(_ name: String) throws -> [AssignmentObstacle] {
        let functions = functions
        return functions.obstacles(to: try functions.named(name))
    }

    @Test("what is missing is told in the order in which it is mended") func tellsObstacles() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try make([
            ("0000:00:01.0", "0x060400", "pcieport", 1), ("0000:01:00.0", "0x020000", "e1000e", 1),
            ("0000:01:00.1", "0x020000", nil, 1), ("0000:02:00.0", "0x010802", "vfio-pci", nil),
        ])
        #expect(try obstacles("0000:00:01.0") == [.bridge])
        #expect(try obstacles("0000:02:00.0") == [.noGroup])
        let functions = functions
        #expect(throws: VFIOError(.bridge, of: "0000:00:01.0")) { try functions.assignable("0000:00:01.0") }
        #expect(throws: VFIOError(.noGroup, of: "0000:02:00.0")) { try functions.assignable("0000:02:00.0") }
        #expect(throws: VFIOError(.noFunction, of: "01:00.0")) { try functions.assignable("01:00.0") }
        #expect(try functions.assignable("0000:01:00.0").driver == "e1000e")
        let modules: [AssignmentObstacle] = [.module("vfio-pci"), .module("vfio_iommu_type1")]
        #expect(try obstacles("0000:01:00.0") == modules + [.driver("e1000e")])
        #expect(
            try obstacles("0000:01:00.1") == modules + [
                .driver(nil), .sharedGroup(function: "0000:01:00.0", driver: "e1000e"),
            ])
        try makeVFIO(groups: [1])
        #expect(try obstacles("0000:01:00.0") == [.driver("e1000e")])
    }

    @Test("a function with all it needs has no obstacle") func hasNoObstacle() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try make([("0000:01:00.0", "0x020000", "vfio-pci", 7), ("0000:01:00.1", "0x020000", nil, 7)])
        try makeVFIO(groups: [7])
        #expect(try obstacles("0000:01:00.0").isEmpty)
        let function = try functions.named("0000:01:00.0")
        #expect(function.vendorID == 0x8086 && function.deviceID == 0x10d3 && function.group == 7)
        #expect(throws: VFIOError(.noFunction, of: "0000:09:00.0")) { try functions.named("0000:09:00.0") }
    }

    @Test("a host without PCI has no functions") func hasNoFunctions() {
        #expect(functions.functions.isEmpty)
    }

    @Test("a shared group is an error that names the functions and drivers in the way") func namesDrivers() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try make([("0000:01:00.0", "0x020000", "vfio-pci", 7), ("0000:01:00.1", "0x020000", "igb", 7)])
        #expect(functions.foreignDrivers(in: 7) == ["0000:01:00.1": "igb"])
        let error = VFIOError(
            .notViable(drivers: functions.foreignDrivers(in: 7)), of: "0000:01:00.0", group: 7)
        #expect("\(error)".contains("0000:01:00.0, group 7") && "\(error)".contains("0000:01:00.1 has igb"))
    }
    @Test("where only the kernel knows what is in the way, the error says so") func namesTheKernel() {
        #expect("\(VFIOError(.notViable(drivers: [:]), of: "0000:01:00.0", group: 7))".contains("not viable"))
    }
}
