import Foundation
import Host
import PCI
import PropertySupport
import Testing
import VFIOUser

@Suite("A served function")
struct DeviceServerTests {
    /// A 64-bit BAR with MSI-X and a doorbell in its middle, an I/O BAR, a small BAR and a ROM.
    static let description = FunctionDescription(
        vendorID: 0x1af4, deviceID: 0x10f0,
        bars: [
            0: BARDescription(kind: .memory64, size: 0x10000), 2: BARDescription(kind: .io, size: 32),
            3: BARDescription(kind: .memory32, size: 256),
        ], romSize: 0x1000,
        msix: MSIXDescription(
            vectors: 4, table: BARLocation(bar: 0, offset: 0x4000), pendingBits: BARLocation(bar: 0, offset: 0x4800)),
        doorbell: BARLocation(bar: 0, offset: 0x8000))

    private func withServer(_ body: (String) throws -> Void) throws {
        let path = "/tmp/swiftlet-test-\(UInt64.random(in: 0 ... .max))"
        let function = try PCIFunction(Self.description, at: FunctionAddress(requesterID: 40))
        let server = try DeviceServer(try ServedFunction(function, DeviceRecord(Self.description)), at: path)
        try body(path)
        server.stop()
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("is described as it is")
    func description() throws {
        try withServer { path in
            var client = try RawClient(path)
            #expect(try DeviceInfo(try client.ask(.deviceInfo, DeviceInfo(canReset: false).bytes).payload).canReset)
            // Room for the fields alone gives the size of the rest, and no descriptor.
            let short = try client.ask(.regionInfo, RegionQuery(.bar0, room: 32).bytes)
            #expect(short.payload.count == 32 && short.descriptors.isEmpty)
            let size = try #require(RegionInfo.wholeSize(short.payload))
            let whole = try client.ask(.regionInfo, RegionQuery(.bar0, room: size).bytes)
            let info = try RegionInfo(whole.payload, of: .bar0)
            #expect(info.region.areas == [0..<0x4000, 0x5000..<0x8000, 0x9000..<0x10000])
            #expect(whole.descriptors.count == 1)
            let ports = try client.ask(.regionInfo, RegionQuery(.bar2, room: 64).bytes)
            #expect(try RegionInfo(ports.payload, of: .bar2).region == .init(size: 32) && ports.descriptors.isEmpty)
            let vga = try client.ask(.regionInfo, RegionQuery(.vga, room: 64).bytes)
            #expect(try RegionInfo(vga.payload, of: .vga).region.size == 0)
            let msix = try client.ask(.interruptInfo, InterruptInfo(2).bytes)
            #expect(try InterruptInfo(msix.payload).interrupts.count == 4)
            #expect(try client.read(.configuration, at: 0, count: 4) == [0xf4, 0x1a, 0xf0, 0x10])
        }
    }

    @Test("has one memory, by mappings and by messages, and every region keeps what is written")
    func memory() throws {
        try withServer { path in
            var client = try RawClient(path)
            let reply = try client.ask(.regionInfo, RegionQuery(.bar0, room: 256).bytes)
            let info = try RegionInfo(reply.payload, of: .bar0)
            let file = try #require(reply.descriptors.first)
            let area = try #require(info.region.areas.last)
            let mapped = try ForeignMemory(
                file, name: "BAR 0", offset: info.offset + area.lowerBound,
                size: area.upperBound - area.lowerBound)
            let isWritten = mapped.write(([1, 2, 3] as [UInt8]).span, at: 16)
            #expect(isWritten)
            #expect(try client.read(.bar0, at: area.lowerBound + 15, count: 5) == [0, 1, 2, 3, 0])
            for region in [DeviceRecord.RegionNumber.bar0, .bar2, .bar3] {
                #expect(try client.write([9, 8, 7, 6], region, at: 4) == nil)
                #expect(try client.read(region, at: 4, count: 4) == [9, 8, 7, 6])
            }
            #expect(try client.write([1], .rom, at: 0) == 22)
            #expect(try client.read(.rom, at: 0, count: 3) == [0x55, 0xaa, 0])
            // Sizes as software finds them out.
            #expect(try client.write([0xff, 0xff, 0xff, 0xff], .configuration, at: 0x10) == nil)
            #expect(try client.read(.configuration, at: 0x10, count: 4) == [4, 0, 0xff, 0xff])
        }
    }

    @Test("raises the vectors that its client has set up, until the client takes them down")
    func interrupts() throws {
        try withServer { path in
            var client = try RawClient(path)
            let events = try (0..<4).map { _ in try SharedDescriptor(eventFor: "test") }
            func set(_ start: UInt32, _ count: UInt32, _ passed: [SharedDescriptor]) throws -> UInt32? {
                let change = InterruptChange(.trigger, .eventfds, .msix, start: start, count: count)
                return try client.ask(.setInterrupts, change.bytes, passed).header.error
            }
            #expect(try set(0, 4, events) == nil)
            #expect(try client.write([2, 0, 0, 0], .bar0, at: 0x8000) == nil)
            #expect(events.map { $0.take() } == [0, 0, 1, 0])
            // The client raises one itself, and takes one down.
            let signal = InterruptChange(.trigger, .flags, .msix, start: 1, count: 2, flags: [true, false])
            #expect(try client.ask(.setInterrupts, signal.bytes).header.error == nil)
            #expect(try set(1, 1, []) == nil)
            for vector in 0..<8 as Range<UInt8> { _ = try client.write([vector], .bar0, at: 0x8000) }
            #expect(events.map { $0.take() } == [1, 1, 1, 1])
            // The doorbell is offered as an eventfd.
            let offer = try client.ask(.regionIOEvents, RegionQuery(.bar0, room: 256).eventBytes)
            let event = try #require(try RegionEvents(offer.payload).events.first)
            #expect(event == .init(offset: 0x8000, size: 4, descriptor: 0, match: 0))
            try #require(offer.descriptors.first).post()
            var isRaised = false
            for _ in 0..<1000 where !isRaised {
                HostThread.sleep(for: .milliseconds(1))
                isRaised = events[0].take() == 1
            }
            #expect(isRaised)
            #expect(try set(3, 2, Array(events.prefix(2))) == 22)
            #expect(try set(0, 2, [events[0]]) == 22)
            #expect(try set(.max, 2, []) == 22)
        }
    }

    @Test("knows what memory it was given")
    func mappings() throws {
        try withServer { path in
            var client = try RawClient(path)
            func map(_ address: UInt64, _ size: UInt64) throws -> UInt32? {
                try client.ask(.mapDMA, DMAMapping(offset: 0, address: address, size: size).bytes).header.error
            }
            #expect(try map(0, 0x10000) == nil)
            #expect(try map(0, 0x10000) == nil, "the same once more")
            for (address, size) in [(0x8000, 0x1000), (0xf000, 0x2000), (0x20000, 0), (0x20001, 0x1000), (.max, 2)]
                as [(UInt64, UInt64)]
            {
                #expect(try map(address, size) == 22)
            }
            #expect(try client.ask(.unmapDMA, DMAUnmapping(address: 0, size: 0x8000).bytes).header.error == 22)
            let end = DMAUnmapping(address: 0, size: 0x10000)
            #expect(try client.ask(.unmapDMA, end.bytes).payload == end.bytes)
            #expect(try client.ask(.unmapDMA, end.bytes).header.error == 22)
        }
    }

    @Test("survives clients that go, say nothing, or talk nonsense, and serves the next", arguments: propertySeeds)
    func badClients(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        try withServer { path in
            for _ in 0..<60 {
                let client = try RawClient(path, version: Bool.random(using: &random))
                for _ in 0..<4 {
                    var payload = (0..<Int.random(in: 0...48, using: &random)).map { _ in
                        [0, 1, 4, 0xff].randomElement(using: &random) ?? UInt8(0)
                    }
                    if Bool.random(using: &random) { payload = [] }
                    let command = Command.allCases.randomElement(using: &random) ?? .reset
                    var bytes = Header(command, id: 1, payload: payload.count).bytes + payload
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
                    }
                    let event = try SharedDescriptor(eventFor: "test")
                    let count = Int.random(in: 0...3, using: &random)
                    guard
                        (try? client.connection.send(
                            bytes, with: Array(repeating: event, count: count), within: .seconds(1))) != nil
                    else { break }
                }
                _ = consume client
            }
            var client = try RawClient(path)
            #expect(try client.read(.configuration, at: 0, count: 2) == [0xf4, 0x1a], "seed \(seed)")
            // Nothing is read or written outside of a region.
            for (offset, count) in [(0x10000, 1), (0xffff, 2), (.max, 1), (0, .max)] as [(UInt64, UInt32)] {
                let access = RegionAccess(.bar0, offset: offset, count: count)
                #expect(try client.ask(.readRegion, access.bytes).header.error == 22)
            }
        }
    }
}
