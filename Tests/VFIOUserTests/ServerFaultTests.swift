import Foundation
import Host
import PCI
import Testing
import VFIOUser
import VFIOUserSupport

/// A server that errs at one message, whichever it is.
@Suite struct ServerFaultTests {
    /// Does one of everything. Nothing of it may wait for ever.
    private static func use(_ device: DeviceProcess) throws {
        var ram = try MemoryFile(name: "ram")
        try ram.resize(to: 0x4000)
        let file = try SharedDescriptor(ram)
        _ = device.map(DMAMapping(offset: 0, address: 0, size: 0x4000), file: file)
        _ = device.read(.bar0, at: 0x100, count: 8)
        device.write([1, 2, 3, 4], .bar0, at: 0x100)
        device.setInterrupts(.msix, [try SharedDescriptor(eventFor: "a vector")], resample: nil)
        device.setInterrupts(.msix, [], resample: nil)
        device.unmap(DMAUnmapping(address: 0, size: 0x4000))
        device.reset()
    }

    private static func commands() throws -> [UInt16] {
        let server = try ScriptedServer()
        try use(try DeviceProcess(path: server.path))
        return server.state.withLock { $0.commands }
    }

    /// The faults after which nobody can go on.
    private static let fatal: [ScriptedServer.Fault] = [
        .close, .closeInHeader, .closeInPayload, .stallInPayload, .otherID, .otherCommand, .twice, .command,
        .sizeTooSmall, .sizeTooLarge, .flags, .garbage, .silence,
    ]

    @Test(arguments: ScriptedServer.Fault.allCases)
    func anyMessage(fault: ScriptedServer.Fault) throws {
        let commands = try Self.commands()
        #expect(commands.count > 25)
        for (number, command) in commands.enumerated() {
            // Whoever accesses a silent device waits for it as long as it lives.
            let isLimited = number < commands.count - 7 || [2, 3, 13].contains(command)
            guard fault != .silence || isLimited else { continue }
            let server = try ScriptedServer(fault: (number, fault))
            let comment: Comment = "\(fault) at message \(number), command \(command)"
            do {
                let device = try DeviceProcess(path: server.path, within: .milliseconds(50))
                try Self.use(device)
                guard Self.fatal.contains(fault) else { continue }
                // A second reply is noticed when it comes.
                let deadline = SuspendingClock.now + .seconds(30)
                while device.loss == nil, deadline > .now { HostThread.sleep(for: .milliseconds(1)) }
                #expect(device.loss != nil, comment)
                #expect(device.read(.bar0, at: 0, count: 1) == nil, comment)
            } catch let error as DeviceProcessError {
                #expect(!"\(error)".isEmpty, comment)
                #expect(![.unknownCommand, .surplusDescriptors, .noDescriptors].contains(fault), comment)
            }
        }
    }

    @Test func mistakesLeaveNoDescriptors() throws {
        func count() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
        let before = try count()
        for number in 0..<150 {
            let fault = ScriptedServer.Fault.allCases[number % ScriptedServer.Fault.allCases.count]
            guard ![.silence, .stallInPayload].contains(fault) else { continue }
            let server = try ScriptedServer(fault: (number % 37, fault))
            if let device = try? DeviceProcess(path: server.path, within: .milliseconds(50)) { try Self.use(device) }
            server.kill()
        }
        let deadline = SuspendingClock.now + .seconds(30)
        while try count() > before + 100, deadline > .now { HostThread.sleep(for: .milliseconds(10)) }
        // Other tests open a few meanwhile.
        #expect(try count() <= before + 100)
    }

    @Test func silentServerKeepsOnlyWhoAsks() throws {
        let server = try ScriptedServer(fault: (try Self.commands().count - 6, .silence))
        let device = try DeviceProcess(path: server.path)
        device.reset()
        let hasReturned = Lock(false)
        let thread = try HostThread(name: "asks") {
            _ = device.read(.bar0, at: 0, count: 1)
            hasReturned.withLock { $0 = true }
        }
        let deadline = SuspendingClock.now + .seconds(30)
        while server.state.withLock({ $0.commands.last != 9 }), deadline > .now {
            HostThread.sleep(for: .milliseconds(1))
        }
        #expect(device.read(.bar0, at: 0x100, count: 1) == [0], "another thread's access")
        #expect(!hasReturned.withLock { $0 })
        server.kill()
        thread.join()
        #expect(device.loss != nil)
    }

    @Test(.timeLimit(.minutes(1)))
    func silenceInAChangeIsALoss() throws {
        let server = try ScriptedServer(fault: (try Self.commands().count - 7, .silence))
        let device = try DeviceProcess(path: server.path)
        var ram = try MemoryFile(name: "ram")
        try ram.resize(to: 0x4000)
        let start = SuspendingClock.now
        #expect(try device.map(DMAMapping(offset: 0, address: 0, size: 0x4000), file: SharedDescriptor(ram)) == 5)
        #expect(device.loss == .silent(.mapDMA) && SuspendingClock.now - start >= .seconds(1))
    }
}
