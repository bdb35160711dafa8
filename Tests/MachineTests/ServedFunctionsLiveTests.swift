import Foundation
import Layouts
import LiveSupport
import Memslots
import PCI
import Testing
import VFIOUser

@testable import Machine

/// The guest that exercises functions, with functions of other processes.
@Suite("Served functions", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ServedFunctionsLiveTests {
    struct Kind: CustomTestStringConvertible {
        let vcpus: Int
        let policy: SlotPolicy
        let decode: DecodePolicy

        static let all = SlotPolicy.allCases.flatMap { policy in
            DecodePolicy.allCases.flatMap { decode in
                [1, 4].map { Kind(vcpus: $0, policy: policy, decode: decode) }
            }
        }
        var testDescription: String { "\(vcpus) vCPUs, \(policy.rawValue), \(decode.rawValue)" }
    }

    @Test("do what the machine's own do", arguments: Kind.all)
    func exercised(kind: Kind) throws {
        let path = FileManager.default.temporaryDirectory.path + "/served-\(UUID().uuidString.prefix(13))"
        let guest = try #require(BuiltInGuest.named("pci"))
        var configuration = guest.configuration
        configuration.functions = [:]
        (configuration.vcpus, configuration.policy, configuration.decode) = (kind.vcpus, kind.policy, kind.decode)
        let layout = try #require(Layout.preset("full-bus"))
        var servers: [DeviceServer] = []
        defer { servers.forEach { $0.stop() } }
        for (number, function) in layout.functions.prefix(4).enumerated() {
            let record = try DeviceRecord(function.description)
            let served = try ServedFunction(PCIFunction(function.description, at: function.address), record)
            servers.append(try DeviceServer(served, at: "\(path)-\(number)"))
            try configuration.add(DeviceProcess(path: "\(path)-\(number)"), at: function.address)
        }
        let output = TinyGuest.Output()
        let machine = try GuestMachine(configuration, flat: guest.image, consoleOutput: output.append)
        let report = try machine.run(timeout: .seconds(60))
        let text = String(decoding: output.bytes, as: UTF8.self)
        #expect(report.outcome == .exited(0), "\(text)")
        #expect(text.contains("functions 4\n") && text.contains("mismatches 0\n") && text.contains("interrupts 4\n"))
        #expect(report.losses.isEmpty && report.refusals.count == 0)
    }
}
