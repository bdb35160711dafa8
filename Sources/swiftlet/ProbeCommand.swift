import ArgumentParser
import Laboratory
import Memslots
import Pictures

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Show what this host's KVM offers, and what it costs.",
        discussion: """
            Figures are measured with small guests, which takes some tens of milliseconds.

            Example: swiftlet probe --json
            """
    )

    @OptionGroup var output: OutputOptions

    func run() throws {
        let environment = HostEnvironment(of: "probe")
        let result = try HostProbe.run()
        try output.show(result, in: environment, Self.table(result).text)
    }

    private static func table(_ result: ProbeResult) -> TextTable {
        let costs = result.slotCosts
        let facts: [(String, String?)] = [
            ("KVM API version", "\(result.apiVersion)"), ("memory slots", "\(result.slotLimit)"),
            ("CPUs", "\(result.cpus)"), ("guest-physical address", "\(result.physicalAddressBits) bits"),
            ("slots end at or below", result.highestSlotAddress),
            ("guests run", result.execution == .hardware ? "on hardware" : "in KVM's instruction emulator"),
            ("KVM translates by", result.mmu == .tdp ? "two-dimensional paging" : "shadow page tables"),
            ("one guest instruction", Figures.time(result.nanosecondsPerInstruction / 1000)),
            ("one port exit", Figures.time(result.microsecondsPerExit)),
            ("create a slot of a page", Figures.time(costs.createMicroseconds)),
            ("move it", Figures.time(costs.moveMicroseconds)),
            ("change its flags", Figures.time(costs.flagsMicroseconds)),
            ("delete it", Figures.time(costs.deleteMicroseconds)),
            ("kernel memory of a slot", costs.kernelBytes.map { "\($0) bytes" } ?? "not measured"),
        ]
        let capabilities = result.capabilities.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        return TextTable("what", "here", facts: facts + capabilities)
    }
}
