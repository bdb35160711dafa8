import ArgumentParser
import Glibc
import Host
import Laboratory

@main
struct SwiftletCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract: "A minimal virtual machine monitor for Linux KVM.",
        discussion: """
            Boots tiny bare-metal guests, maps their memory as KVM memory slots, and shows what that costs.

            Example: swiftlet run hello
            """,
        version: HostEnvironment.swiftletVersion,
        subcommands: [
            RunCommand.self, GuestsCommand.self, LayoutCommand.self, PlanCommand.self, StressCommand.self,
            SuiteCommand.self, ProbeCommand.self, PricesCommand.self, CompareCommand.self, ServeCommand.self,
            CaptureCommand.self, VFIOCommand.self, ControlCommand.self,
        ]
    )

    /// When the process began: the first thing that is asked for.
    static let processStart = ProcessClock.start()

    static func main() {
        _ = processStart
        do {
            try ProcessStart.prepare()
            let arguments = ProcessStart.arguments.dropFirst()
            if arguments.first == "run", let run = guestRun(arguments.dropFirst()) {
                try run.run()
            } else {
                var command = try parseAsRoot(Array(arguments))
                try command.run()
            }
        } catch {
            // The library would make the help text first, which takes longer than many a guest.
            Glibc.exit((error as? ExitCode ?? failure(error) ?? answer(error)).rawValue)
        }
    }

    /// Prints what the library has to say: help, a version or a completion script on standard output, wrong usage on standard error.
    private static func answer(_ error: any Error) -> ExitCode {
        let (status, text) = (exitCode(for: error), fullMessage(for: error))
        if text.isEmpty { return status }
        guard status.isSuccess else {
            FileBytes.write(Array("\(text.printable(keepingLines: true))\n".utf8), to: FileBytes.standardError)
            return status
        }
        do { try emit(text) } catch { return error as? ExitCode ?? status }
        return status
    }

    /// The run that arguments behind `run` ask for. What cannot be run, and calls for help, are left to the usual way.
    private static func guestRun(_ arguments: ArraySlice<String>) -> GuestRun? {
        // By way of its parent, `run` would have its options found by reflection twice, and those of two commands that write
        // completion scripts before.
        GuestRun(withoutOptions: arguments) ?? (try? RunCommand.parseAsRoot(Array(arguments)) as? RunCommand)?.guestRun
    }
}
