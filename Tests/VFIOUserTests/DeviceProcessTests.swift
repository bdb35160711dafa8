import Foundation
import Host
import PCI
import PropertySupport
import Testing
import VFIOUser
import VFIOUserSupport

/// The client against a server that can do anything wrong.
@Suite struct DeviceProcessTests {
    /// Memory of a client, by address.
    private final class Memory: DMAMemory {
        let bytes = Lock([UInt8](repeating: 0, count: 0x1000))

        func read(count: Int, at address: UInt64) -> [UInt8]? {
            bytes.withLock {
                address <= 0x1000 && count <= 0x1000 - Int(address) ? Array($0[Int(address)...].prefix(count)) : nil
            }
        }

        func write(_ new: [UInt8], at address: UInt64) -> Bool {
            bytes.withLock { bytes in
                guard address <= 0x1000, new.count <= 0x1000 - Int(address) else { return false }
                bytes.replaceSubrange(Int(address)..<Int(address) + new.count, with: new)
                return true
            }
        }
    }

    /// Waits for something that another thread does.
    private static func wait(_ condition: () -> Bool) -> Bool {
        let deadline = SuspendingClock.now + .seconds(30)
        while !condition() {
            guard deadline > .now else { return false }
            HostThread.sleep(for: .milliseconds(1))
        }
        return true
    }

    @Test func findsWhatTheDeviceGives() throws {
        let server = try ScriptedServer()
        let device = try DeviceProcess(path: server.path)
        var expected = server.record
        expected.interrupts[.error] = .init(count: 0, traits: [])
        expected.interrupts[.request] = .init(count: 0, traits: [])
        #expect(device.record == expected)
        #expect(device.events.map(\.event.offset) == [0x40] && device.events.map(\.region) == [.bar0])
    }

    @Test func accessesReachTheServer() throws {
        let server = try ScriptedServer()
        let device = try DeviceProcess(path: server.path)
        device.write([1, 2, 3, 4], .bar0, at: 0x100)
        #expect(device.read(.bar0, at: 0xff, count: 6) == [0, 1, 2, 3, 4, 0])
        #expect(device.read(.bar0, at: 0xffe, count: 4) == nil, "past the end the server refuses")
        #expect(device.read(.vga, at: 0, count: 1) == nil && device.loss == nil)
        let memory = try device.openMemory(of: .bar2, 0x1000..<0x3000)
        let isWritten = memory.write([7, 8].span, at: 0x1ffe)
        #expect(isWritten)
        let whole = try server.file.withLock { file in try ForeignMemory(file, offset: 0x10000, size: 0x8000) }
        let read = whole.read(count: 2, at: 0x2ffe)
        #expect(read == [7, 8])
        device.reset()
        #expect(server.state.withLock { $0.resets } == 1)
    }

    @Test func serverReachesMemoryAtAnyTime() throws {
        let server = try ScriptedServer()
        let device = try DeviceProcess(path: server.path)
        let memory = Memory()
        memory.bytes.withLock { $0.replaceSubrange(0x80..<0x88, with: [1, 2, 3, 4, 5, 6, 7, 8]) }
        device.setMemory(memory)
        func address(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
        // While this thread waits for an answer.
        device.write(address(0x80), .bar0, at: 0x08)
        #expect(device.read(.bar0, at: 0x10, count: 8) == [1, 2, 3, 4, 5, 6, 7, 8])
        device.write(address(0xff8), .bar0, at: 0x18)
        #expect(memory.bytes.withLock { Array($0[0xff8...]) } == [1, 2, 3, 4, 5, 6, 7, 8])
        // What was not given is refused.
        device.write(address(0xff9), .bar0, at: 0x18)
        device.write(address(.max - 3), .bar0, at: 0x08)
        #expect(server.state.withLock { $0.errors } == [nil, nil, 14, 14])
        // While nobody asks.
        memory.bytes.withLock { $0[0x200] = 0x42 }
        server.readMemory(at: 0x200)
        #expect(Self.wait { server.state.withLock { $0.errors.count } == 5 })
        #expect(device.read(.bar0, at: 0x10, count: 1) == [0x42] && device.loss == nil)
    }

    @Test func manyThreadsAskAtOnce() throws {
        let server = try ScriptedServer()
        let device = try DeviceProcess(path: server.path)
        device.setMemory(Memory())
        let wrong = Lock(0)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for round in 0..<200 {
                let (offset, value) = (UInt64(0x100 + thread), UInt8(truncatingIfNeeded: round &* 8 + thread))
                device.write([value], .bar0, at: offset)
                if device.read(.bar0, at: offset, count: 1) != [value] { wrong.withLock { $0 += 1 } }
                if round % 50 == 0 { server.readMemory(at: 8) }
            }
        }
        #expect(wrong.withLock { $0 } == 0 && device.loss == nil)
        #expect(Self.wait { server.state.withLock { $0.errors.count } == 32 })
    }

    @Test func eventfdsGoOnce() throws {
        let server = try ScriptedServer()
        let device = try DeviceProcess(path: server.path)
        let events = try (0..<4).map { try SharedDescriptor(eventFor: "\($0)") }
        let before = server.state.withLock { $0.commands.count }
        device.setInterrupts(.msix, [events[0], nil, events[2], events[3]], resample: nil)
        #expect(server.state.withLock { $0.events[.msix]?.keys.sorted() } == [0, 2, 3])
        device.setInterrupts(.msix, events, resample: nil)
        #expect(server.state.withLock { $0.commands.count } == before + 4)
        server.signal(.msix, 1)
        #expect(events.map { $0.take() } == [0, 1, 0, 0])
        device.setInterrupts(.msix, [], resample: nil)
        device.setInterrupts(.msix, [], resample: nil)
        #expect(server.state.withLock { $0.events[.msix] } == nil)
        #expect(server.state.withLock { $0.commands.count } == before + 5)
    }

    @Test func lineIsUnmaskedWhenTheGuestHasHandledIt() throws {
        let server = try ScriptedServer()
        let device = try DeviceProcess(path: server.path)
        let (event, resample) = (try SharedDescriptor(eventFor: "a line"), try SharedDescriptor(eventFor: "its end"))
        device.setInterrupts(.intx, [event], resample: resample)
        resample.post()
        #expect(Self.wait { server.state.withLock { $0.unmasks } == 1 })
        device.setInterrupts(.intx, [], resample: nil)
        #expect(device.loss == nil)
    }

    @Test func memoryIsGivenAndTakenBack() throws {
        let server = try ScriptedServer()
        let device = try DeviceProcess(path: server.path)
        var ram = try MemoryFile(name: "ram")
        try ram.resize(to: 0x4000)
        let mapping = DMAMapping(offset: 0x1000, address: 0x100000, size: 0x2000)
        #expect(try device.map(mapping, file: SharedDescriptor(ram)) == nil)
        #expect(server.state.withLock { $0.mapped } == [mapping])
        device.unmap(DMAUnmapping(address: 0x100000, size: 0x2000))
        #expect(server.state.withLock { $0.mapped.isEmpty } && device.loss == nil)
    }

    @Test func cutFileIsALoss() throws {
        let server = try ScriptedServer()
        let device = try DeviceProcess(path: server.path)
        #expect(device.checkFiles() == nil)
        try server.file.withLock { try $0.resize(to: 0x12000) }
        #expect(device.checkFiles() == .cutFile && device.loss == .cutFile)
        #expect(device.read(.bar0, at: 0, count: 1) == nil)
    }

    @Test func regionBeyondItsFileIsRefused() throws {
        let server = try ScriptedServer(fileSize: 0x14000)
        let device = try DeviceProcess(path: server.path)
        #expect(throws: HostError.self) { _ = try device.openMemory(of: .bar2, 0x5000..<0x6000) }
        _ = try device.openMemory(of: .bar2, 0x1000..<0x3000)
    }

    @Test func withoutAServerThereIsAnError() throws {
        #expect(throws: DeviceProcessError.self) { _ = try DeviceProcess(path: "/nowhere/at/all") }
        #expect(throws: DeviceProcessError.self) {
            _ = try DeviceProcess(path: String(repeating: "x", count: 300))
        }
    }
}
