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

    /// The time for all answers at the beginning: little where one of them does not come.
    private static func time(for fault: ScriptedServer.Fault) -> Duration {
        fault == .silence ? .milliseconds(100) : .seconds(30)
    }

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
                let device = try DeviceProcess(path: server.path, within: Self.time(for: fault))
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
            if let device = try? DeviceProcess(path: server.path, within: Self.time(for: fault)) {
                try Self.use(device)
            }
            server.kill()
        }
        let deadline = SuspendingClock.now + .seconds(30)
        while try count() > before + 100, deadline > .now { HostThread.sleep(for: .milliseconds(10)) }
        // Other tests open a few meanwhile.
        #expect(try count() <= before + 100)
    }

    @Test("the time at the beginning is for all answers together")
    func slowServer() throws {
        let server = try ScriptedServer(delay: .milliseconds(40))
        #expect(throws: DeviceProcessError.self) { try DeviceProcess(path: server.path, within: .milliseconds(400)) }
        #expect(server.state.withLock { $0.commands.count } < 12)
    }

    @Test("a device that does not answer for its ROM is lost", .timeLimit(.minutes(1)))
    func silentROM() throws {
        let counted = try ScriptedServer()
        _ = try DeviceProcess(path: counted.path)
        let server = try ScriptedServer(fault: (counted.state.withLock { $0.commands.count }, .silence))
        let device = try DeviceProcess(path: server.path)
        #expect(device.read(.rom, at: 0, count: 0x800) == nil && device.loss == .silent(.readRegion))
    }

    @Test("eventfds that KVM would refuse are left out, and the device gets messages")
    func badEvents() throws {
        let event = RegionEvents.Event(offset: 0x40, size: 4, descriptor: 0)
        func matching(_ value: UInt64) -> RegionEvents.Event {
            RegionEvents.Event(offset: 0x80, size: 4, descriptor: 0, match: value)
        }
        for (offered, taken) in [
            ([event, event], [event]), ([matching(1), matching(2), matching(1)], [matching(1), matching(2)]),
            ([matching(1), RegionEvents.Event(offset: 0x80, size: 4, descriptor: 0)], [matching(1)]),
            ([RegionEvents.Event(offset: 0x40, size: 4, descriptor: 1), event], [event]),
        ] {
            let server = try ScriptedServer(events: offered)
            let device = try DeviceProcess(path: server.path)
            #expect(device.events.map(\.event) == taken)
        }
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
