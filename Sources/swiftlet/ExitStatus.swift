import ArgumentParser
import Host
import Machine

/// The exit statuses that scripts rely on (`sysexits.h`, where it has one).
enum ExitStatus {
    static let usage: Int32 = 64
    static let badInput: Int32 = 65
    static let kvmMissing: Int32 = 69
    static let hostError: Int32 = 70
}

/// Says on standard error in one line what went wrong, and gives the status to end with.
func failure(_ message: String, status: Int32) -> ExitCode {
    FileBytes.write(Array("swiftlet: \(message)\n".utf8), to: FileBytes.standardError)
    return ExitCode(status)
}

func failure(_ error: MachineError) -> ExitCode {
    let status =
        switch error {
        case .configuration, .board: ExitStatus.usage
        case .image, .imagePlacement, .pci: ExitStatus.badInput
        case .noKVM: ExitStatus.kvmMissing
        case .kvm, .host, .memory, .bus, .hostMemory: ExitStatus.hostError
        }
    return failure("\(error)", status: status)
}

/// Writes bytes, to standard output unless told otherwise; what cannot be written is an error, for a script would take less
/// for all.
func emit(_ bytes: [UInt8], to descriptor: Int32 = FileBytes.standardOutput) throws {
    guard FileBytes.write(bytes, to: descriptor) else {
        throw failure("the output could not be written: is the disk full?", status: ExitStatus.hostError)
    }
}

/// Writes text to standard output, and a line end.
func printOut(_ text: String) throws {
    try emit(Array((text + "\n").utf8))
}
