import Layouts
import PCI

/// A request of a client of the control socket: `{"command": "remove", "at": "00:05.0"}`. docs/control.md describes the
/// commands.
struct ControlRequest: Decodable {
    enum Command: String, CaseIterable {
        case add, remove, eject, list, pause, resume, stop, slots, map

        /// Whether the command is about an existing function.
        var namesFunction: Bool { [.remove, .eject].contains(self) }
    }

    let command: Command
    /// The address at which to add or remove a function.
    private(set) var address: FunctionAddress?
    /// The function to add.
    private(set) var function: LayoutEntry?

    /// Reads a request. Every key in it must be known.
    ///
    /// - Throws: `LayoutError`, with the path to the wrong value.
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: LayoutObject.Key.self)
        let name: String = try LayoutObject(values, keys: Set(values.allKeys.map(\.stringValue))).value("command")
        guard let command = Command(rawValue: name) else {
            let known = Command.allCases.map(\.rawValue).joined(separator: ", ")
            throw LayoutError.badValue(key: "command", value: name, expected: "one of \(known)")
        }
        self.command = command
        let keys = command == .add ? ["function", "at"] : command.namesFunction ? ["at"] : []
        let object = try LayoutObject(values, keys: Set(keys + ["command"]))
        if command.namesFunction || object.has("at") { address = try LayoutFile.address(object) }
        guard command == .add else { return }
        guard object.has("function") else {
            throw LayoutError.missingKey("function", expected: "an entry of a layout's functions")
        }
        let entry = try values.decode(LayoutEntry.self, forKey: LayoutObject.Key(stringValue: "function"))
        (function, address) = (entry, address ?? entry.address)
    }
}

/// A reason why a request is not carried out that comes neither from the machine nor from the rules of layouts.
struct ControlError: Error, CustomStringConvertible {
    let description: String

    static func functionOfHost(_ name: String) -> ControlError {
        ControlError(description: "\(name): a function of the host is assigned when the machine is made (run --vfio)")
    }

    static func notConnected(_ path: String) -> ControlError {
        ControlError(
            description:
                "\(path): a machine opens no connection while it runs: connect to the device process, and pass the "
                + "descriptor with the line (SCM_RIGHTS), as `swiftlet control PATH add --vfio-user \(path)` does")
    }

    static let noPlace = ControlError(
        description: "bus 0 has 31 places for devices, and all are taken: name an address on another bus (`at`)")
}
