import PCI
import PropertySupport
import Testing
import VFIOUser

@Suite("Messages of vfio-user")
struct MessageTests {
    @Test("headers are decoded as they were encoded")
    func headers() throws {
        let command = Header(.readRegion, id: 7, payload: 16)
        #expect(command.bytes == [7, 0, 9, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(try Header(command.bytes) == command)
        let refusal = Header(replyTo: command, payload: 0, error: 22)
        #expect(refusal.bytes == [7, 0, 9, 0, 16, 0, 0, 0, 0x21, 0, 0, 0, 22, 0, 0, 0])
        #expect(try Header(refusal.bytes) == refusal)
        #expect(refusal.isReply && refusal.error == 22 && refusal.payloadSize == 0)
    }

    @Test("sizes and flags that cannot be are refused", arguments: [(4, 15), (4, 0), (7, 0xff), (8, 2), (8, 0xf)])
    func wrongHeaders(offset: Int, value: UInt8) {
        var bytes = Header(.reset, id: 1, payload: 0).bytes
        bytes[offset] = value
        #expect(throws: MessageError.self) { try Header(bytes) }
    }

    @Test("what the version leaves out has the usual value, and too large a transfer is not believed")
    func version() throws {
        let plain = try Version([0, 0, 1, 0])
        #expect(plain.maximumDescriptors == 1 && plain.maximumTransfer == Version.transferSize)
        let own = Version()
        #expect(try Version(own.bytes) == own)
        #expect(own.bytes.last == 0)
        func text(_ text: String) throws -> Version { try Version([0, 0, 1, 0] + Array(text.utf8)) }
        let libvfioUser = try text(
            "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,\"migration\":{\"pgsize\":4096}}}\0")
        #expect(libvfioUser.maximumDescriptors == 8)
        #expect(try text("{\"capabilities\":{\"max_data_xfer_size\":18446744073709551615}}\0") == plain)
        #expect(throws: MessageError.capabilities) { try text("{}") }
        #expect(throws: MessageError.capabilities) { try text("{\"capabilities\":3}\0") }
        #expect(throws: MessageError.version(major: 1, minor: 0)) { try Version([1, 0, 0, 0]) }
        #expect(throws: MessageError.self) { try Version([0, 0, 1]) }
    }

    @Test("payloads are decoded as they were encoded")
    func payloads() throws {
        let info = DeviceInfo(canReset: true)
        #expect(try DeviceInfo(info.bytes) == info)
        let query = RegionQuery(.bar2, room: 64)
        #expect(try RegionQuery(query.bytes) == query)
        #expect(try RegionQuery(query.eventBytes) == query)
        let msix = InterruptInfo(2, .init(count: 2048, traits: [.eventfd, .fixedCount]))
        #expect(try InterruptInfo(msix.bytes) == msix)
        let changes = [
            InterruptChange(.trigger, .eventfds, .msix, start: 3, count: 2),
            InterruptChange(.unmask, .none, .intx, count: 1),
            InterruptChange(.trigger, .flags, .msi, count: 2, flags: [true, false]),
        ]
        for change in changes { #expect(try InterruptChange(change.bytes) == change) }
        let mapping = DMAMapping(offset: 4096, address: 1 << 32, size: 1 << 21, isWritable: false)
        #expect(try DMAMapping(mapping.bytes) == mapping)
        let end = DMAUnmapping(address: 1 << 32, size: 1 << 21)
        #expect(try DMAUnmapping(end.bytes) == end)
        let access = RegionAccess(.bar0, offset: 8, count: 4, data: [1, 2, 3, 4])
        #expect(try RegionAccess(access.bytes, hasData: true) == access)
        let memory = MemoryAccess(address: 4096, count: 2, data: [5, 6])
        #expect(try MemoryAccess(memory.bytes, hasData: true) == memory)
        let events = RegionEvents(
            region: .bar0,
            events: [.init(offset: 8, size: 4, descriptor: 0), .init(offset: 16, size: 2, descriptor: 1, match: 9)])
        #expect(try RegionEvents(events.bytes) == events)
    }

    @Test("a reply to another access is told")
    func mismatch() throws {
        let asked = RegionAccess(.bar0, offset: 8, count: 4)
        for other in [
            RegionAccess(.bar1, offset: 8, count: 4), RegionAccess(.bar0, offset: 9, count: 4),
            RegionAccess(.bar0, offset: 8, count: 5),
        ] {
            #expect(throws: MessageError.self) { try asked.answer(other.bytes, hasData: false) }
        }
        _ = try asked.answer(asked.bytes, hasData: false)
    }

    @Test("no bytes make a decoder trap, and what is decoded is encoded alike", arguments: propertySeeds)
    func randomBytes(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0..<100, using: &random)).map { _ in
                Bool.random(using: &random) ? UInt8(0) : UInt8.random(in: 0...255, using: &random)
            }
            _ = try? Header(bytes)
            _ = try? Version(bytes)
            _ = try? DeviceInfo(bytes)
            _ = try? RegionQuery(bytes)
            _ = try? InterruptInfo(bytes)
            _ = try? InterruptChange(bytes)
            _ = try? DMAMapping(bytes)
            _ = try? DMAUnmapping(bytes)
            _ = try? RegionEvents(bytes)
            for hasData in [false, true] {
                _ = try? MemoryAccess(bytes, hasData: hasData)
                if let access = try? RegionAccess(bytes, hasData: hasData), hasData || bytes.count == 16 {
                    #expect(access.bytes == bytes, "seed \(seed)")
                }
            }
        }
    }
}
