#if !SANITIZER
    import Foundation
    import Testing

    @Suite("The jail")
    struct JailTests {
        /// Runs a process that makes one call in the jail.
        private func probe(_ name: String) throws -> (status: Int32, errors: String) {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
                .deletingLastPathComponent().appending(path: "JailProbe")
            process.arguments = [name]
            let errors = Pipe()
            process.standardError = errors
            process.standardOutput = Pipe()
            try process.run()
            let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return (process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus, text)
        }

        @Test(
            "ends a process that makes a call which it does not have, and names call and thread",
            arguments: [
                ("earlier thread", "107 of the thread earlier"),
                ("making create", "257 of the thread later"), ("executable memory", "9 of the thread later"),
                ("handler", "13 of the thread later"), ("kill", "62 of the thread later"),
                ("socket", "41 of the thread later"), ("memory file", "319 of the thread later"),
                ("vcpu rename", "82 of the thread vcpu7"), ("vcpu socket", "41 of the thread vcpu7"),
                ("vcpu request", "16 of the thread vcpu7"),
            ])
        func forbidden(name: String, call: String) throws {
            let (status, errors) = try probe(name)
            #expect(status == 77 && errors.contains("the jail has stopped system call \(call)"), "\(status) \(errors)")
            #expect(!FileManager.default.fileExists(atPath: "/tmp/swiftlet-test-never"))
        }

        @Test(
            "leaves what is needed",
            arguments: [
                "works", "open", "making open", "adding open", "adding memory", "vcpu open", "vcpu file size",
                "vcpu works",
            ])
        func allowed(name: String) throws {
            let (status, errors) = try probe(name)
            #expect(status == 0 && errors.isEmpty, "\(errors)")
        }
    }
#endif
