import ArgumentParser
import Host
import Machine

/// The address at which a debugger reaches the machine: `unix:PATH`, `:PORT`, or `ADDRESS:PORT` with a numerical address.
struct DebugAddress: Equatable, ExpressibleByArgument {
    let address: SocketAddress

    init?(argument: String) {
        if argument.hasPrefix("unix:") {
            let path = argument.dropFirst(5)
            guard !path.isEmpty else { return nil }
            address = .local(path: String(path))
            return
        }
        guard let colon = argument.lastIndex(of: ":"), let port = UInt16(argument[argument.index(after: colon)...])
        else {
            return nil
        }
        var host = argument[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard port > 0, host.allSatisfy({ $0.isHexDigit || $0 == "." || $0 == ":" }) else { return nil }
        // Everybody who reaches the port owns the guest. Without an address, only this host reaches it.
        address = .internet(host: host.isEmpty ? "127.0.0.1" : String(host), port: port)
    }
}

extension GuestRun {
    /// Serves debuggers. If the run waits for a debugger, says how to reach the machine.
    func serve(_ machine: GuestMachine, at place: DebugAddress) throws -> DebugServer {
        if gdbWait { machine.pause() }
        let monitor = DebugMonitor(commands: "slots, map, pci") { Self.answer($0, of: machine) }
        let server = try DebugServer(machine, at: place.address, monitor: monitor)
        if gdbWait {
            complain("\(guest): waiting for gdb: target remote \(place.address)")
        }
        return server
    }

    /// Returns the answer to a command of gdb's `monitor`. Nil for an unknown command.
    private static func answer(_ command: String, of machine: GuestMachine) -> String? {
        switch command {
        case "slots": ControlResult.slots(of: machine).text
        case "map": ControlResult.map(of: machine).text
        case "pci": ControlResult.functions(of: machine).text
        default: nil
        }
    }
}
