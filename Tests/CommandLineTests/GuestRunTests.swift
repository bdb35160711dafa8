import ArgumentParser
import Images
import Machine
import Memslots
import PCI
import Testing

@testable import swiftlet

@Suite("What `run` is asked for")
struct GuestRunTests {
    @Test("without options is what the parser would make of it", arguments: [[], ["echo"], ["./a guest"], [""]])
    func agreesWithTheParser(arguments: [String]) throws {
        let run = try #require(GuestRun(withoutOptions: arguments[...]))
        #expect(try run == RunCommand.parse(arguments).guestRun)
    }

    @Test(
        "with an option, or what may be one, is left to the parser",
        arguments: [["-h"], ["--report", "-"], ["-"], ["--"], ["echo", "--pit"], ["echo", "hello"]])
    func optionsAreParsed(arguments: [String]) {
        #expect(GuestRun(withoutOptions: arguments[...]) == nil)
    }

    @Test("holds each option") func holdsEachOption() throws {
        let command = try RunCommand.parse([
            "./guest", "--format", "flat", "--append", "a b", "--module", "file=words", "--memory", "4K",
            "--mode", "real", "--load-address", "0x1000", "--vcpus", "2", "--irqchip", "kernel", "--pit",
            "--device", "pci-testdev", "--layout", "one", "--decode", "lazy", "--unassigned", "--slots", "coalesced",
            "--force",
            "--timeout", "1s", "--trace", "trace", "--map", "map.svg", "--title", "a map", "--report", "report",
        ])
        let module = try #require(ModuleArgument(argument: "file=words"))
        let run = GuestRun(
            guest: "./guest", format: .flat, append: "a b", modules: [module], memory: Quantity(argument: "4096"),
            mode: .real, loadAddress: Quantity(argument: "4096"), vcpus: 2, irqchip: .kernel, pit: true,
            devices: [.testDevice], layout: "one", decode: .lazy, unassigned: true, slots: .coalesced, force: true,
            timeout: .seconds(1), trace: "trace", map: "map.svg", title: "a map", report: "report")
        #expect(command.guestRun == run)
    }

    @Test("is what the help says by default") func defaultsAreThoseOfTheHelp() {
        let help = RunCommand.helpMessage(columns: 1000)
        let machine = MachineConfiguration()
        #expect(help.contains("or - for standard input. (default: \(GuestRun.defaultGuest))"))
        #expect(help.contains("while decode is off. (default: \(machine.decode.rawValue))"))
        #expect(help.contains("or shared by neighbours. (default: \(machine.policy.rawValue))"))
    }
}
