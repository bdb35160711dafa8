import ArgumentParser
import Host
import Layouts
import PCI
import VFIOUser

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Offer the functions of a layout to clients of vfio-user.",
        discussion: """
            Each function is a server of its own: a local socket, at which one client at a time drives the function, by mappings where \
            its BARs have memory, and by messages everywhere else. Every byte of a region keeps what is written to it. A write \
            to the doorbell raises the vector of that number; 4-byte writes of 0 are offered as an eventfd. A client that breaks the protocol is cut \
            off, and the next one is served. Ctrl-C ends the servers.

            Examples:
              swiftlet serve one --socket /tmp/one
              swiftlet serve ./device.json --socket /tmp/device
              swiftlet serve full-bus --socket /tmp/functions/
            """)

    @Argument(help: ArgumentHelp("A preset, a layout file or a dump.", valueName: "layout"))
    var layout: String

    @Option(
        help: ArgumentHelp(
            "The path of the socket. For several functions a directory, in which each has its address as a name.",
            valueName: "path"))
    var socket: String

    @OptionGroup var dump: DumpOptions

    func run() throws {
        guard !socket.isEmpty else { throw failure("--socket: it is empty: name a path", .usage) }
        guard dump.fix.isEmpty else {
            throw failure("--fix: the guests of clients choose their addresses themselves, so leave it out", .usage)
        }
        let layout = try LayoutArgument(name: layout).load(dump.selection).layout
        let isDirectory = FileKind(of: socket + "/.") == .directory
        // Clients bring their own bridges, so bridges are left out.
        let functions = layout.functions.filter { $0.description.bridge == nil }
        guard functions.count == 1 || isDirectory else {
            throw failure(
                "--socket \(socket): the layout has \(functions.count) functions, and each has a socket of its own: name a "
                    + "directory that exists, or one function with --only", .usage)
        }
        let events = try HostEvents(catchesSignals: true)
        var servers: [DeviceServer] = []
        defer { servers.forEach { $0.stop() } }
        var lines: [String] = []
        for function in functions {
            let path = isDirectory ? (socket.hasSuffix("/") ? socket : socket + "/") + "\(function.address)" : socket
            do {
                let record = try function.record ?? DeviceRecord(function.description)
                // A client finds all capabilities of the device, and hides some of them from its guests itself.
                let description =
                    try function.record?.functionDescription(hiding: [], asksModel: false) ?? function.description
                let served = try PCIFunction(description, at: function.address)
                servers.append(try DeviceServer(try ServedFunction(served, record), at: path))
            } catch let error as DescriptionError {
                throw failure("\(function.address): \(error)", .badInput)
            }
            lines.append("\(function.address) at \(path)")
        }
        try emit(lines.joined(separator: "\n"))
        while true {
            if case .signal = try events.wait(input: nil, until: nil) { break }
        }
        throw ExitCode(ExitStatus.interrupted.rawValue)
    }
}
