import Devices
import Foundation
import LayoutFixtures
import PCI
import Testing

@testable import Layouts

@Suite("Recorded functions of dumps")
struct DumpedConfigurationTests {
    private static let machine: URL? = {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let directory = repository.deletingLastPathComponent().appending(path: "shared/data/sysfs/vm-with-h100")
        return FileManager.default.fileExists(atPath: directory.path) ? directory : nil
    }()

    /// The bytes that a guest may find changed: command and status, cache line size, BARs, ROM, interrupt line, and of the function's
    /// capabilities the links to hidden ones, and what software writes in MSI and MSI-X.
    private static func live(_ config: ConfigDump, _ description: FunctionDescription) -> Set<UInt64> {
        var live = Set<UInt64>(0x04...0x07).union([0x0c]).union(0x10...0x27).union(0x30...0x33).union([0x34, 0x3c])
        if description.msix != nil { live.formUnion(description.msixOffset...description.msixOffset + 3) }
        if description.msiVectors != nil { live.formUnion(description.msiOffset...description.msiOffset + 0x17) }
        for hidden in description.recording?.hidden ?? [] { live.formUnion(hidden.offset...hidden.offset + 3) }
        return live
    }

    @Test(
        "a virtual machine with an H100 is found byte for byte",
        .enabled(if: machine != nil, "needs ../shared/data/sysfs"))
    func h100() throws {
        let directory = try #require(Self.machine)
        var reader = SysfsReader()
        var configs: [String: [UInt8]] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() {
            var files: [String: [UInt8]] = [:]
            for file in SysfsReader.files {
                files[file] = (try? Data(contentsOf: directory.appending(path: name).appending(path: file))).map {
                    Array($0)
                }
            }
            configs[name] = files["config"]
            reader.add(directory: name, files: files)
        }
        let (layout, warnings) = try Layout.read(reader.result, name: "h100")
        var compared = 0
        for function in layout.functions {
            let bytes = try #require(configs["0000:\(function.source)"])
            #expect([256, 4096].contains(bytes.count))
            let live = Self.live(ConfigDump(bytes), function.description)
            var replayed = try PCIFunction(function.description, at: function.address)
            var different: [UInt64] = []
            for offset in 0..<UInt64(bytes.count)
            where replayed.read(at: offset, width: .byte) != UInt64(bytes[Int(offset)]) {
                different.append(offset)
            }
            #expect(live.isSuperset(of: different), "\(function.source): \(different.map { String($0, radix: 16) })")
            compared += bytes.count - different.count
        }
        #expect(layout.functions.count == 6 && compared > 4096 + 5 * 256 - 40)
        #expect(warnings.filter(\.isSkipped).isEmpty)
    }

    @Test("capabilities that promise too much are hidden and told of, unless they are asked for")
    func hidden() throws {
        var reader = SysfsReader()
        reader.add(
            directory: "0000:03:00.0",
            files: ["config": ConfigBytes.network.bytes, "resource": Array(ConfigBytes.networkResource.utf8)])
        for shown in [false, true] {
            var selection = DumpSelection()
            if shown { selection.shown = [CapabilityKind(id: 0x10, isExtended: true)] }
            let (layout, warnings) = try Layout.read(reader.result, name: "x", selection: selection)
            var function = try PCIFunction(layout.functions[0].description, at: layout.functions[0].address)
            #expect(function.read(at: 0x102, width: .word) == (shown ? 0x1401 : 0x0001))
            #expect(function.read(at: 0x140, width: .doubleword) == 0x0001_0010)
            #expect(warnings.contains { "\($0)".contains("SR-IOV of 03:00.0") } == !shown)
        }
    }
}
