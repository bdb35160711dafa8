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

    /// The time at which the process began. It is the first thing that `main` asks for.
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
            // The library would first make the help text, which takes longer than many a guest runs.
            Glibc.exit((error as? ExitCode ?? failure(error) ?? answer(error)).rawValue)
        }
    }

    /// Prints the library's message: help, a version or a completion script to standard output, and wrong usage to standard
    /// error.
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

    /// Returns the run that the arguments after `run` ask for. Returns nil for requests for help and for arguments that cannot
    /// be parsed, which the library then handles.
    private static func guestRun(_ arguments: ArraySlice<String>) -> GuestRun? {
        // If `run` were parsed by way of its parent, the library would find its options by reflection twice. Before that, it
        // would find those of two commands that write completion scripts.
        GuestRun(withoutOptions: arguments) ?? (try? RunCommand.parseAsRoot(Array(arguments)) as? RunCommand)?.guestRun
    }
}
