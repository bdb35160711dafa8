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
        let rows = BuiltInGuest.all.map { guest in
            [guest.name, guest.configuration.mode.rawValue, "\(guest.image.count)", guest.shows]
        }
        try printOut(
            TextTable(columns: [.left("guest"), .left("mode"), .right("bytes"), .left("shows")], rows: rows).text)
    }
}
