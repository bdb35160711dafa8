import ArgumentParser
import FoundationEssentials
import Host
import Images
import Machine

struct GuestsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guests",
        abstract: "List the built-in guests, or begin one of your own.",
        discussion: """
            Examples:
              swiftlet guests
              swiftlet guests --new my-guest && make -C my-guest run
            """)

    @Option(
        help: ArgumentHelp(
            "Write sources to begin with into this directory: a guest in C, one in assembly, a linker script and a Makefile.",
            valueName: "dir"))
    var new: String?

    @OptionGroup var output: OutputOptions

    func run() throws {
        if let new {
            try GuestTemplate.write(to: new)
            let words = "\(new) has a guest in C and one in assembly; `make -C \(new) run` builds and boots the first"
            return try output.show(NewGuest(directory: new), words)
        }
        let columns: [TextTable.Column<BuiltInGuest>] = [
            .left("guest", \.name), .left("mode", \.configuration.mode.rawValue), .right("bytes", \.image.count),
            .left("shows", \.shows),
        ]
        try output.show(GuestList(), TextTable(BuiltInGuest.all, columns).text)
    }
}

/// What `guests --new` prints as JSON.
private struct NewGuest: Encodable {
    private let schema = 1
    let directory: String
    let fileList = GuestTemplate.files.map(\.name)
}

/// The list of guests that `guests` prints as JSON.
private struct GuestList: Encodable {
    private let schema = 1
    let guestList = BuiltInGuest.all.map(Row.init)

    struct Row: Encodable {
        let guest, mode, shows: String
        let bytes, vcpus: Int
        let memory: UInt64

        init(_ guest: BuiltInGuest) {
            (self.guest, shows, bytes) = (guest.name, guest.shows, guest.image.count)
            let machine = guest.configuration
            (mode, vcpus, memory) = (machine.mode.rawValue, machine.vcpus, machine.memory)
        }
    }
}

/// The files of `guests/template`, which are a part of the executable.
enum GuestTemplate {
    static let files: [(name: String, bytes: [UInt8])] = [
        ("Makefile", PackageResources.Makefile), ("README.md", PackageResources.README_md),
        ("guest.h", PackageResources.guest_h), ("guest.ld", PackageResources.guest_ld),
        ("hello.c", PackageResources.hello_c), ("small.S", PackageResources.small_S),
        ("start.S", PackageResources.start_S),
    ]

    /// Writes the files into a directory, and makes the directory if it does not exist. Existing files are not overwritten.
    static func write(to path: String) throws {
        guard !path.isEmpty else { throw failure("--new needs the name of a directory", .usage) }
        if let name = files.map(\.name).first(where: { FileKind(of: "\(path)/\($0)") != .none }) {
            throw failure("--new \(path): the file \(name) exists already, and no file is overwritten", .usage)
        }
        // If this fails, opening the first file reports the reason.
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        var outputs = OutputFiles()
        for (name, bytes) in files { try outputs.open("\(path)/\(name)", for: "--new")?.write(bytes) }
    }
}
