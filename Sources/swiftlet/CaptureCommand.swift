import ArgumentParser
import FoundationEssentials
import Layouts
import PCI
import VFIOUser

struct CaptureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture",
        abstract: "Write what a real device gives into a layout file.",
        discussion: """
            No lspci shows it: sizes and flags of regions, which parts can be mapped, interrupts, reset, and configuration space. \
            `layout`, `plan`, `run --layout` and `serve` take the file, and make the same slots without the device. Configuration \
            space is written as after a reset.

            Example: swiftlet capture --vfio-user /tmp/device -o device.json
            """)

    @Option(help: ArgumentHelp("The socket of a device process.", valueName: "path"))
    var vfioUser: String

    @Option(help: ArgumentHelp("Where guests will find the function. (default: 00:05.0)", valueName: "address"))
    var at: FunctionAddress?

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The file to write. (default: standard output)", valueName: "file"))
    var output: String?

    func run() throws {
        var files = OutputFiles()
        let file = try files.open(output, for: "--output")
        let record: DeviceRecord
        do {
            record = try DeviceProcess(path: vfioUser).record.afterReset()
        } catch let error as DescriptionError {
            throw failure("\(vfioUser): what it gives is no function for guests: \(error)", .badInput)
        } catch {
            throw failure("\(vfioUser): \(error)", .hostError)
        }
        let address = at ?? FunctionAddress(requesterID: 5 << 3)
        let layout = RecordedLayout(at: address, record)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let bytes = [UInt8](try encoder.encode(layout)) + [10]
        try file?.write(bytes) ?? emit(bytes)
    }
}
