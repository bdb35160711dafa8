import Foundation
import Testing

@testable import Laboratory

@Suite("The environment of a result")
struct HostEnvironmentTests {
    private func environment(_ files: [String: String]) -> HostEnvironment {
        HostEnvironment(of: "stress fill", version: 3, seed: 7) { files[$0] }
    }

    private static let modules = [
        "/sys/module/kvm/parameters/tdp_mmu": "Y\n", "/sys/module/kvm_intel/parameters/ept": "Y\n",
        "/sys/module/kvm_amd/parameters/npt": "1\n", "/sys/module/kvm_amd/parameters/nested": "1\n",
    ]

    @Test("tells the kind of KVM by the processor where a kernel has the modules of both vendors")
    func kinds() {
        func kind(flags: String, _ modules: [String: String] = Self.modules) -> String {
            environment(modules.merging(["/proc/cpuinfo": "model name\t: A  B\nflags\t\t: fpu \(flags)\n"]) { $1 }).kvm
        }
        #expect(kind(flags: "vmx") == "VMX" && kind(flags: "svm sse") == "SVM")
        #expect(kind(flags: "svm_lock") == "unknown")
        #expect(kind(flags: "svm", ["/sys/module/kvm_pvm/parameters/pvm_native": "Y\n"]) == "PVM")
    }

    @Test("says null for parameters that this kernel does not have")
    func parameters() throws {
        let environment = environment(
            Self.modules.merging([
                "/proc/cpuinfo": "processor\t: 0\nmodel name\t: An  EPYC\nflags\t\t: svm\n",
                "/proc/sys/kernel/osrelease": "6.1.0-9\n",
            ]) { $1 })
        let json = try JSONEncoder().encode(environment)
        let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        let parameters = try #require(object["parameters"] as? [String: Any])
        #expect(parameters["kvm.tdp_mmu"] as? String == "Y" && parameters["kvm_amd.npt"] as? String == "1")
        #expect(parameters["kvm_amd.avic"] is NSNull && parameters["kvm_intel.ept"] == nil)
        #expect(object["schema"] as? String == "swiftlet stress fill 3" && object["seed"] as? Int == 7)
        #expect(object["cpuModel"] as? String == "An EPYC" && object["kernel"] as? String == "6.1.0-9")
        #expect(environment.date.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil)
        let decoded = try JSONDecoder().decode(HostEnvironment.self, from: json)
        #expect(decoded.parameters == environment.parameters && decoded.line == environment.line)
    }

    @Test("does without files that cannot be read")
    func nothing() {
        let environment = environment([:])
        #expect([environment.kernel, environment.cpuModel, environment.kvm] == ["unknown", "unknown", "unknown"])
        #expect(environment.parameters.values.allSatisfy { $0 == nil } && !environment.parameters.isEmpty)
    }

    @Test("stands beside the keys of the result")
    func measured() throws {
        let result = PriceResult(rowList: [], unmeasured: [], interrupted: true, ok: false)
        let json = try JSONEncoder().encode(Measured(result, in: environment([:])))
        let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        #expect(Set(object.keys) == ["schema", "rowList", "unmeasured", "interrupted", "ok", "environment"])
        let decoded = try JSONDecoder().decode(Measured<PriceResult>.self, from: json)
        #expect(decoded.result.interrupted && decoded.environment.schema == "swiftlet stress fill 3")
    }
}
