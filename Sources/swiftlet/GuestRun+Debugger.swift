import ArgumentParser
import Devices
import Host
import Layouts
import Machine
import Memslots
import PCI
import Pictures

/// Where a debugger finds the machine: `unix:PATH`, `:PORT`, or `ADDRESS:PORT` with a numerical address.
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
        // Whoever reaches the port owns the guest, so it is this host's unless an address is given.
        address = .internet(host: host.isEmpty ? "127.0.0.1" : String(host), port: port)
    }
}

extension GuestRun {
    /// Serves debuggers, and says how to reach the machine.
    func serve(_ machine: GuestMachine, at place: DebugAddress) throws -> DebugServer {
        if gdbWait { machine.pause() }
        let monitor = DebugMonitor(commands: "slots, map, pci") { Self.answer($0, of: machine) }
        let server = try DebugServer(machine, at: place.address, monitor: monitor)
        if gdbWait {
            complain("\(guest): waiting for gdb: target remote \(place.address)")
        }
        return server
    }

    /// The answers to gdb's command `monitor`.
    private static func answer(_ command: String, of machine: GuestMachine) -> String? {
        let memory = machine.memory
        switch command {
        case "slots":
            let slots = machine.slots
            return TextTable(
                slots.all.map { $0 },
                [
                    .right("slot", \.id), .left("guest range", \.range), .right("size") { Figures.size($0.range.size) },
                    .left("access") { $0.flags.contains(.readOnly) ? "readOnly" : "readWrite" },
                ]
            ).text + "\n\(slots.count) of \(slots.limit) slots\n"
        case "map":
            let pieces =
                memory.rows.map { ($0.mapping.range, "\($0.mapping.owner)", "slot \($0.slot)") }
                + memory.trapped.map { ($0.range, "\($0.owner)", "trapped") }
            return TextTable(
                pieces.sorted { $0.0.first < $1.0.first },
                [
                    .left("guest range", \.0), .right("size") { Figures.size($0.0.size) }, .left("owner", \.1),
                    .left("", \.2),
                ]
            ).text + "\n"
        case "pci": return functions(of: machine, memory)
        default: return nil
        }
    }

    private static func functions(of machine: GuestMachine, _ memory: MemoryDescription) -> String {
        let addresses = machine.functions
        guard !addresses.isEmpty else { return "There are no PCI functions.\n" }
        let rows = addresses.map { address -> [String] in
            func read(_ register: UInt64) -> UInt64 {
                machine.readConfiguration(of: address, at: register, width: .doubleword)
            }
            let command = read(4)
            let decode = [(1, "I/O"), (2, "memory"), (4, "bus master")].filter { command & UInt64($0.0) != 0 }.map(\.1)
            let regions = memory.decoded.filter { $0.owner.function == address }
                .map { "\($0.owner.register) \($0.range)\($0.kind == .trapped ? " trapped" : "")" }
            let id = String(read(0) & 0xffff, radix: 16) + ":" + String(read(0) >> 16, radix: 16)
            return ["\(address)", id, decode.joined(separator: ", "), regions.joined(separator: "; ")]
        }
        return TextTable(
            rows,
            [
                .left("function", \.[0]), .left("vendor:device", \.[1]), .left("on", \.[2]),
                .left("decoded memory", \.[3]),
            ]
        ).text + "\n"
    }
}
