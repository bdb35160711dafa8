import ArgumentParser
import FoundationEssentials
import Host
import Layouts
import PCI

struct ControlCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "control",
        abstract: "Ask or tell a machine something while its guest runs.",
        discussion: """
            PATH is the socket of a run (`swiftlet run --control PATH`). COMMAND is one of:
              add FILE        Add the function of a layout file. FILE may also be one entry of its functions; - is standard input.
              remove ADDRESS  Remove a function.
              eject ADDRESS   Ask the guest to let the function in a slot go (docs/hot-plug.md).
              list            Show the functions, and where they are decoded.
              pause, resume   Hold all vCPUs, and let them go on.
              stop            End the run.
              slots, map      Show KVM's slots, and the guest's memory.

            The exit status is 65 if there can be no such function, 70 if the machine or the host refuses or nobody listens, and 124 at the end of time.

            Examples:
              swiftlet control /tmp/machine list
              swiftlet control /tmp/machine add ./device.json --at 00:05.0
              swiftlet control /tmp/machine add --vfio-user /tmp/one
              swiftlet control /tmp/machine remove 00:05.0 --json
            """)

    @Argument(help: "The socket of a run.")
    var path: String

    @Argument(help: "What to do.")
    var command: ControlRequest.Command

    @Argument(help: ArgumentHelp("What `add`, `remove` and `eject` are about.", valueName: "file|address"))
    var operand: String?

    @Option(
        help: ArgumentHelp(
            "With add: where the function is to be. (default: the first free place)", valueName: "address"))
    var at: FunctionAddress?

    @Option(help: ArgumentHelp("With add: the device that another process offers at this socket.", valueName: "path"))
    var vfioUser: String?

    @Option(help: ArgumentHelp("The longest time to wait for an answer. (default: 30s)", valueName: "time"))
    var timeout: Duration?

    @Flag(help: "Print the machine's answer as it is, one JSON object.")
    var json = false

    func validate() throws {
        let needsOperand = command.namesFunction || (command == .add && vfioUser == nil)
        guard (operand != nil) == needsOperand, command == .add || (at == nil && vfioUser == nil) else {
            throw ValidationError(Self.usage(of: command))
        }
    }

    /// What a command takes, for somebody who gave it too little or too much.
    private static func usage(of command: ControlRequest.Command) -> String {
        switch command {
        case .add: "`add` takes a layout FILE or --vfio-user PATH, and may have --at ADDRESS."
        case let command where command.namesFunction:
            "`\(command.rawValue)` takes the ADDRESS of a function, such as 01:00.0."
        default: "`\(command.rawValue)` takes no operand, --at or --vfio-user."
        }
    }

    /// The longest answer that is read. A map of as many slots as KVM allows has a few megabytes.
    private static let longestReply = 64 << 20

    func run() throws {
        let ((line, shared), time) = (try request(), timeout ?? .seconds(30))
        let connection: Connection
        do { connection = try Connection(toLocal: path) } catch {
            throw failure(
                "\(path): no machine listens (\(error)): `swiftlet run --control \(path)` starts one", .hostError)
        }
        var lines = LineConnection(connection, longest: Self.longestReply)
        let answer: [UInt8]
        // If the machine turns this client away, sending may fail, but the answer gives the reason.
        _ = lines.send(line, with: shared, within: time)
        do throws(LineError) { answer = try lines.next(within: time, whole: time).bytes } catch {
            throw failure("\(path): \(error)", error == .late ? .timeout : .hostError)
        }
        try show(answer)
    }

    /// Returns the request, and the connection to a device process if there is one. The connection is made here, because a
    /// running machine opens nothing.
    private func request() throws -> (line: [UInt8], shared: [SharedDescriptor]) {
        func quoted(_ text: String) throws -> String {
            String(decoding: try encodeJSON(text).dropLast(), as: UTF8.self)
        }
        var (members, shared) = (["\"command\":\(try quoted(command.rawValue))"], [SharedDescriptor]())
        let address = command.namesFunction ? operand : at.map { "\($0)" }
        if let address { members.append("\"at\":\(try quoted(address))") }
        if let vfioUser {
            members.append("\"function\":{\"vfioUser\":\(try quoted(vfioUser))}")
            do { shared = [try SharedDescriptor(connectedTo: vfioUser)] } catch {
                throw failure("\(vfioUser): \(error): start the device process first", .hostError)
            }
        } else if command == .add, let operand {
            let file = try InputFile(operand, kind: "function", limit: LineServer.longestLine)
            // This makes sure that the file has exactly one value. An error names the file.
            _ = try file.decoded(as: LayoutEntry.self)
            let line = file.bytes.map { $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 }
            members.append("\"function\":\(String(decoding: line, as: UTF8.self))")
        }
        return (Array("{\(members.joined(separator: ","))}\n".utf8), shared)
    }

    private func show(_ line: [UInt8]) throws {
        guard let reply = try? JSONDecoder().decode(ControlReply.self, from: Data(line)) else {
            throw failure("\(path): the answer makes no sense: is this the socket of a run?", .hostError)
        }
        if json { try emit(line + [UInt8(ascii: "\n")]) }
        if let error = reply.error {
            let advice = error.advice.map { ": \($0)" } ?? ""
            throw failure(
                "\(command.rawValue): \(error.reason)\(advice)",
                [.request, .function].contains(error.kind) ? .badInput : .hostError)
        }
        if !json, let text = reply.result?.text { try emit(Array(text.printable(keepingLines: true).utf8)) }
    }
}

extension ControlRequest.Command: ExpressibleByArgument {}
