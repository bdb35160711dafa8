import Foundation
import PCI
import Testing

@testable import Layouts

@Suite("Captured functions in layout files")
struct RecordedLayoutTests {
    /// A device with everything: sparse areas, a ROM, ports, MSI-X inside a BAR.
    static func record(extended: Bool = false) throws -> DeviceRecord {
        var description = FunctionDescription(
            vendorID: 0x8086, deviceID: 0x10d3, classCode: 0x020000, revision: 3,
            bars: [
                0: BARDescription(kind: .memory64, size: 0x10000, isPrefetchable: true, registers: [0..<0x1000]),
                2: BARDescription(kind: .io, size: 32), 3: BARDescription(kind: .memory32, size: 256),
            ], romSize: 0x1000, msiVectors: 4,
            msix: MSIXDescription(
                vectors: 5, table: BARLocation(bar: 0, offset: 0x4000),
                pendingBits: BARLocation(bar: 0, offset: 0x8000)))
        if extended {
            description.capabilities = [CapabilityDescription(id: 3, offset: 0x100, version: 1, body: [1, 2, 3, 4])]
        }
        return try DeviceRecord(description)
    }

    private func layout(_ record: DeviceRecord) throws -> Layout {
        let file = RecordedLayout(at: FunctionAddress(requesterID: 40), record)
        return try JSONDecoder().decode(LayoutFile.self, from: try JSONEncoder().encode(file)).layout
    }

    @Test("are read as they were written", arguments: [false, true])
    func roundTrip(extended: Bool) throws {
        var record = try Self.record(extended: extended)
        record.interrupts[.intx] = .init(count: 1, traits: [.eventfd, .maskable, .automasked])
        record.interrupts[.msix]?.traits.insert(.fixedCount)
        record.canReset = false
        #expect(record.configuration.count == (extended ? 4096 : 256))
        let function = try #require(try layout(record).functions.first)
        #expect(function.record == record && function.address == FunctionAddress(requesterID: 40))
    }

    @Test(
        "are refused where they say what cannot be",
        arguments: [
            (#""00 01"#, #""+1 01"#), (#""000":"#, #""+00":"#), (#""size":256"#, #""size":255"#),
            (#""access":"rw""#, #""access":"wr""#), (#""configurationSize":256"#, #""configurationSize":255"#),
        ])
    func refusals(right: String, wrong: String) throws {
        var record = try Self.record()
        record.configuration.replaceSubrange(0..<2, with: [0, 1])
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let file = RecordedLayout(at: FunctionAddress(requesterID: 40), record)
        let text = String(decoding: try encoder.encode(file), as: UTF8.self)
        #expect(text.contains(right))
        let changed = Data(text.replacingOccurrences(of: right, with: wrong).utf8)
        #expect(throws: (any Error).self) { try JSONDecoder().decode(LayoutFile.self, from: changed) }
        #expect(throws: Never.self) { try JSONDecoder().decode(LayoutFile.self, from: Data(text.utf8)) }
    }

    @Test("have the pieces of the device, and so the same slots")
    func pieces() throws {
        let record = try Self.record()
        let description = try #require(try layout(record).functions.first).description
        #expect(description.vendorID == 0x8086 && description.deviceID == 0x10d3 && description.classCode == 0x020000)
        #expect(
            description.pieces(of: .bar(0)).filter { $0.kind == .mapped }.map(\.offsets)
                == [0x1000..<0x4000, 0x5000..<0x8000, 0x9000..<0x10000])
        #expect(description.pieces(of: .bar(3)).map(\.kind) == [.trapped])
        #expect(description.bars[2]?.kind == .io && description.romSize == 0x1000)
        #expect(description.msix?.vectors == 5 && description.msiVectors == 4)
        // What a replay is captured into is the same.
        #expect(try record.afterReset() == record)
    }

    @Test("lose the addresses and settings that somebody has made")
    func afterReset() throws {
        let record = try Self.record()
        var used = record
        used.configuration[4] = 7
        used.configuration.replaceSubrange(0x10..<0x18, with: [0xc, 0, 0, 0xe0, 0x10, 0, 0, 0])
        #expect(used != record)
        #expect(try used.afterReset() == record)
    }

    @Test(
        "are refused where they cannot be",
        arguments: [
            ("\"access\":\"rw\"", "\"access\":\"x\"", "access"),
            ("\"configurationSize\":256", "\"configurationSize\":257", "configurationSize"),
            ("\"region\":\"bar2\"", "\"region\":\"bar3\"", "region"),
            ("\"region\":\"bar2\"", "\"region\":\"bar9\"", "region"),
            ("\"kind\":\"msi\"", "\"kind\":\"msx\"", "kind"),
            ("[\"eventfd\"]", "[\"event\"]", "traits"),
            ("\"at\":", "\"vendor\":1,\"at\":", "vendor"),
            ("\"000\":\"86", "\"000\":\"8g", "configuration.000"),
            ("\"000\":", "\"001\":", "configuration.001"),
            ("\"000\":", "\"1000\":", "configuration.1000"),
            ("{\"offset\":4096,", "{\"offset\":65536,", "areas[0]"),
        ])
    func refusals(part: String, other: String, key: String) throws {
        let file = RecordedLayout(at: FunctionAddress(requesterID: 40), try Self.record())
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(file), as: UTF8.self)
        let index = try #require(text.range(of: part))
        let changed = text.replacingCharacters(in: index, with: other)
        #expect {
            try JSONDecoder().decode(LayoutFile.self, from: Data(changed.utf8))
        } throws: { error in
            "\(error)".contains(key)
        }
    }
}
