import ArgumentParser
import Glibc
import Host

@main
struct SwiftletCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract: "A minimal virtual machine monitor for Linux KVM.",
        discussion: """
            Boots tiny bare-metal guests, maps their memory as KVM memory slots, and shows what that costs.

            Example: swiftlet run hello
            """,
        version: "0.1.0",
        subcommands: [
            RunCommand.self, GuestsCommand.self, LayoutCommand.self, PlanCommand.self, StressCommand.self,
            ProbeCommand.self,
        ]
    )

    /// When the process began: the first thing that is asked for.
    static let processStart = ProcessClock.start()

    static func main() {
        _ = processStart
        let arguments = CommandLine.arguments.dropFirst()
        do {
            if arguments.first == "run", let run = guestRun(arguments.dropFirst()) {
                try run.run()
            } else {
                var command = try parseAsRoot()
                try command.run()
            }
        } catch {
            // The library would make the help text first, which takes longer than many a guest.
            if let status = error as? ExitCode ?? failure(error) { Glibc.exit(status.rawValue) }
            exit(withError: error)
        }
    }

    /// The run that arguments behind `run` ask for. What cannot be run, and calls for help, are left to the usual way.
    private static func guestRun(_ arguments: ArraySlice<String>) -> GuestRun? {
        // By way of its parent, `run` would have its options found by reflection twice, and those of two commands that write
        // completion scripts before.
        GuestRun(withoutOptions: arguments) ?? (try? RunCommand.parseAsRoot(Array(arguments)) as? RunCommand)?.guestRun
    }
}
