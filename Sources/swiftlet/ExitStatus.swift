import ArgumentParser
import Host
import Machine

/// The exit statuses on which scripts rely. They are those of `sysexits.h` where it has one.
enum ExitStatus: Int32 {
    case checkFailed = 1
    case usage = 64
    case badInput = 65
    case kvmMissing = 69
    case hostError = 70
    case timeout = 124
    case interrupted = 130
}

/// Writes a message to standard error.
func complain(_ message: String) {
    FileBytes.write(Array("swiftlet: \(message.printable(keepingLines: true))\n".utf8), to: FileBytes.standardError)
}

/// Writes a message about a failure to standard error.
///
/// - Returns: The status with which to end.
func failure(_ message: String, _ status: ExitStatus) -> ExitCode {
    complain(message)
    return ExitCode(status.rawValue)
}

/// Writes an error of a machine or of the host to standard error, with advice. Commands throw these errors as they are.
///
/// - Returns: The status with which to end. For all other errors it is nil, and nothing is written.
func failure(_ error: any Error) -> ExitCode? {
    let status: ExitStatus? =
        switch error {
        case is HostError: .hostError
        case MachineError.configuration, MachineError.experiment, MachineError.board: .usage
        case MachineError.image, MachineError.imagePlacement, MachineError.firmware, MachineError.description,
            MachineError.assignment:
            .badInput
        case let error as MachineError: error.lacksKVM ? .kvmMissing : .hostError
        default: nil
        }
    let advice = (error as? MachineError)?.advice.map { ": \($0)" } ?? ""
    return status.map { failure("\(error)\(advice)", $0) }
}

/// Writes bytes to standard output. If not all of them can be written, throws, because a script would take a part of the output
/// for the whole.
func emit(_ bytes: [UInt8]) throws {
    if let error = FileBytes.write(bytes, to: FileBytes.standardOutput).error {
        throw failure("the output could not be written: \(error)", .hostError)
    }
}

/// Writes a text with the end of its last line to standard output.
func emit(_ text: String) throws {
    try emit(Array("\(text.printable(keepingLines: true))\n".utf8))
}
