import ArgumentParser
import Images
import Machine

struct GuestsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guests",
        abstract: "List the built-in guests.",
        discussion: "Example: swiftlet guests"
    )

    func run() throws {
        let columns: [TextTable.Column<BuiltInGuest>] = [
            .left("guest", \.name), .left("mode", \.configuration.mode.rawValue), .right("bytes", \.image.count),
            .left("shows", \.shows),
        ]
        try emit(TextTable(BuiltInGuest.all, columns).text)
    }
}
