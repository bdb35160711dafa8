import ArgumentParser
import FoundationEssentials
import Layouts
import PCI
import VFIO
import VFIOUser

struct CaptureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture",
        abstract: "Write what a real device gives into a layout file.",
        discussion: """
            No lspci shows it: sizes and flags of regions, which parts can be mapped, interrupts, reset, and configuration space. \
            `layout`, `plan`, `run --layout` and `serve` take the file, and make the same slots without the device. Configuration \
            space is written as after a reset.

            Examples:
              swiftlet capture --vfio-user /tmp/device -o device.json
              swiftlet capture --vfio 0000:01:00.0 -o device.json
            """)

    @Option(help: ArgumentHelp("The socket of a device process.", valueName: "path"))
    var vfioUser: String?

    @Option(
        help: ArgumentHelp(
            "A PCI function of this host, which needs the driver vfio-pci (`swiftlet vfio` tells more).",
            valueName: "function"))
    var vfio: AssignedArgument?

    @Option(help: ArgumentHelp("Where guests will find the function. (default: 00:05.0)", valueName: "address"))
    var at: FunctionAddress?

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The file to write. (default: standard output)", valueName: "file"))
    var output: String?

    func validate() throws {
        guard (vfioUser == nil) != (vfio == nil), vfio?.address == nil else {
            throw ValidationError("Name one device, by --vfio-user or by --vfio; --at says where guests will find it.")
        }
    }

    func run() throws {
        let device = vfioUser ?? vfio?.name ?? ""
        var files = OutputFiles()
        let file = try files.open(output, for: "--output")
        let record: DeviceRecord
        do {
            let found =
                try vfio.map { try VFIODevice.record(of: $0.name) } ?? DeviceProcess(path: vfioUser ?? "").record
            record = try found.afterReset()
        } catch let error as DescriptionError {
            throw failure("\(device): what it gives is no function for guests: \(error)", .badInput)
        } catch {
            throw failure("\(device): \(error)", .hostError)
        }
        let address = at ?? FunctionAddress(requesterID: 5 << 3)
        let layout = RecordedLayout(at: address, record)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let bytes = [UInt8](try encoder.encode(layout)) + [10]
        try file?.write(bytes) ?? emit(bytes)
    }
}
