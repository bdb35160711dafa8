import ArgumentParser
import Host
import Laboratory
import Machine
import Memslots

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Show what this host's KVM offers, and what it costs.",
        discussion: """
            Figures are measured with small guests, which takes some tens of milliseconds.

            Example: swiftlet probe --json
            """
    )

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let probe: HostProbe
        do throws(MachineError) { probe = try HostProbe() } catch { throw failure(error) }
        if json {
            try emit(try encodeJSON(probe))
            return
        }
        var rows = [
            ["KVM API version", "\(probe.apiVersion)"],
            ["memory slots", "\(probe.slotLimit)"],
            ["CPUs", "\(probe.cpus)"],
            ["guest-physical address", "\(probe.physicalAddressBits) bits"],
            ["slots end at or below", probe.highestSlotAddress],
            ["guests run", probe.execution == .hardware ? "on hardware" : "in KVM's instruction emulator"],
            ["KVM translates by", probe.mmu == .tdp ? "two-dimensional paging" : "shadow page tables"],
            ["one guest instruction", "\(rounded(probe.nanosecondsPerInstruction)) ns"],
            ["one port exit", "\(rounded(probe.microsecondsPerExit)) us"],
            ["create a slot of a page", "\(rounded(probe.slotCosts.createMicroseconds)) us"],
            ["move it", "\(rounded(probe.slotCosts.moveMicroseconds)) us"],
            ["change its flags", "\(rounded(probe.slotCosts.flagsMicroseconds)) us"],
            ["delete it", "\(rounded(probe.slotCosts.deleteMicroseconds)) us"],
            ["kernel memory of a slot", probe.slotCosts.kernelBytes.map { "\($0) bytes" } ?? "not measured"],
        ]
        rows += probe.capabilities.sorted { $0.key < $1.key }.map { [$0.key, "\($0.value)"] }
        try printOut(TextTable(columns: [.left("what"), .left("here")], rows: rows).text)
    }

    private func rounded(_ value: Double) -> Double {
        (value * 100).rounded() / 100
    }
}
