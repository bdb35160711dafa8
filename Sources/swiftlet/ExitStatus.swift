import ArgumentParser
import Host
import Machine

/// The exit statuses that scripts rely on (`sysexits.h`, where it has one).
enum ExitStatus: Int32 {
    case checkFailed = 1
    case usage = 64
    case badInput = 65
    case kvmMissing = 69
    case hostError = 70
    case timeout = 124
    case interrupted = 130
}

/// Says something on standard error.
func complain(_ message: String) {
    FileBytes.write(Array("swiftlet: \(message.printable(keepingLines: true))\n".utf8), to: FileBytes.standardError)
}

/// Says on standard error in one line what went wrong, and gives the status to end with.
func failure(_ message: String, _ status: ExitStatus) -> ExitCode {
    complain(message)
    return ExitCode(status.rawValue)
}

/// Does the same for an error of a machine or of the host, which commands throw as they are. Gives nil for all others.
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

/// Writes bytes to standard output. A failure is an error, because a script would take a part of the
/// output for all of it.
func emit(_ bytes: [UInt8]) throws {
    if let error = FileBytes.write(bytes, to: FileBytes.standardOutput).error {
        throw failure("the output could not be written: \(error)", .hostError)
    }
}

/// Writes a text and the end of its last line to standard output.
func emit(_ text: String) throws {
    try emit(Array("\(text.printable(keepingLines: true))\n".utf8))
}
