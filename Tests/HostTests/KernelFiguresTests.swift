import Host
import Testing

@Suite("Figures and files")
struct KernelFiguresTests {
    @Test("the kernel's kilobytes come as bytes, and what it does not say is nil")
    func figures() throws {
        let process = try KernelFigures.ofProcess()
        let peak = try #require(process.bytes("VmHWM"))
        #expect(peak > 1 << 20 && peak % 1024 == 0)
        #expect(process.bytes("VmNonsense") == nil)
        // Not in kilobytes.
        #expect(process.bytes("Threads") == nil)
        #expect(try KernelFigures.ofHost().bytes("MemAvailable") != nil)
    }

    @Test("limits of this process are there, or nil where there are none")
    func limits() throws {
        #expect(try #require(KernelLimits.openFiles) > 2)
        #expect(try #require(KernelLimits.mappedAreas) > 0)
        #expect(KernelLimits.lockedMemory != .max && KernelLimits.controlGroup()?.limit != 0)
    }

    @Test("a file that is missing or too long says so, with its name")
    func files() {
        let missing = #expect(throws: HostError.self) { try readFile("/nonexistent/file") }
        #expect(missing.map { "\($0)".contains("/nonexistent/file") } == true)
        let endless = #expect(throws: HostError.self) { try readFile("/dev/zero", limit: 1 << 20) }
        #expect(endless?.isFileTooLarge == true)
        #expect(throws: HostError.self) { try readFile("/proc") }
    }

    @Test("durations become whole nanoseconds, without overflow")
    func durations() {
        #expect(Duration.seconds(1).nanoseconds == 1_000_000_000)
        #expect(Duration.nanoseconds(1).nanoseconds == 1)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
    }
}
