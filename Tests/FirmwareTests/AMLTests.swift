import Foundation
import Memslots
import Testing

@testable import Board
@testable import Firmware

@Suite struct AMLTests {
    /// Statements whose bytes ACPICA's disassembler has read as they are meant.
    private static let samples: [(AML, String)] = [
        (
            .device(
                "MBRD",
                [
                    .name("_HID", .eisaID("PNP0C02")), .name("_UID", .integer(1)),
                    .name("_CRS", .resources([.memory(range(0xc000_0000, 0x1000_0000))])),
                ]),
            """
            5b 82 2c 4d 42 52 44 08 5f 48 49 44 0c 41 d0 0c 02 08 5f 55 49 44 01 08 5f 43 52 53 11 11 0a 0e 86 09 00 01 00 00 00 c0 \
            00 00 00 10 79 00
            """
        ),
        (
            .device(
                "COM1",
                [
                    .name("_HID", .eisaID("PNP0501")), .name("_UID", .integer(0)),
                    .name("_CRS", .resources([.ports(0x3f8, count: 8), .line(4)])),
                ]),
            """
            5b 82 2b 43 4f 4d 31 08 5f 48 49 44 0c 41 d0 05 01 08 5f 55 49 44 00 08 5f 43 52 53 11 10 0a 0d 47 01 f8 03 f8 03 01 08 \
            22 10 00 79 00
            """
        ),
        (
            .name("W", .resources([.memoryWindow(range(0x40_0000_0000, 0x40_0000_0000))])),
            """
            08 57 5f 5f 5f 11 33 0a 30 8a 2b 00 00 0c 01 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00 00 ff ff ff ff 7f 00 00 00 00 \
            00 00 00 00 00 00 00 00 00 00 00 40 00 00 00 79 00
            """
        ),
        (
            .return(.package([.integer(0x1234), .integer(0x1_0000), .integer(1 << 32)])),
            """
            a4 12 13 03 0b 34 12 0c 00 00 01 00 0e 00 00 00 00 01 00 00 00
            """
        ),
    ]

    private static func range(_ first: UInt64, _ size: UInt64) -> GuestRange {
        guard let range = GuestRange(first: GuestAddress(first), size: size) else { preconditionFailure("\(first)") }
        return range
    }

    /// A name of other than four characters would be read as a name and a part of what follows it.
    @Test func eachHostBridgeHasANameOfFourCharacters() {
        let names = (0...0x1_0000).map(ACPITables.name(ofBridge:))
        #expect(names.allSatisfy { $0.utf8.count == 4 && $0.first?.isUppercase == true })
        #expect(Set(names).count == names.count)
        #expect(names[0] == "P000" && names[15] == "P00F")
    }

    @Test(arguments: samples)
    func bytes(statement: AML, expected: String) {
        #expect(statement.bytes == expected.split(separator: " ").compactMap { UInt8($0, radix: 16) })
    }

    @Test("lengths of one to four bytes", arguments: [0x3d, 0x3e, 0x3f, 0xffa, 0xffc, 0x1000, 0xffff0, 0x100010])
    func lengths(count: Int) {
        let body = [UInt8](repeating: 0xa3, count: count)
        let bytes = AML.scope("TEST", [.return(.buffer(body))]).bytes
        #expect(bytes.first == 0x10)
        let more = Int(bytes[1] >> 6)
        let rest = bytes[2..<2 + more].reversed().reduce(0) { $0 << 8 | Int($1) }
        let length = more == 0 ? Int(bytes[1]) : rest << 4 | Int(bytes[1] & 0xf)
        #expect(length == bytes.count - 1)
    }
}

@Suite struct ACPITablesTests {
    private static let apertures = [(0xd000_0000, 0x1000_0000), (0x1_0000_0000, 1 << 40)].compactMap {
        GuestRange(first: GuestAddress($0.0), size: $0.1)
    }

    private func tables(_ processors: Int = 1, isFull: Bool = false, segments count: UInt16 = 1) throws -> Tables {
        let ecam = try #require(GuestRange(first: GuestAddress(0xc000_0000), size: 16 << 20))
        let segments = (0..<count).map { number in
            ACPITables.Segment(
                number, ecam,
                [(0...7, [Self.apertures[0]], [0x1000...0xffff]), (8...15, [Self.apertures[1]], [])])
        }
        let acpi = try ACPITables(
            processors: processors, segments: segments, isFull: isFull, beside: [],
            ram: RAMLayout(low: 16 << 20, high: 0))
        return try Tables(acpi.data)
    }

    /// The tables as a guest finds them.
    private struct Tables {
        let data: BootData
        var found: [String: [UInt8]] = [:]

        init(_ data: BootData) throws {
            self.data = data
            #expect(data.address.rawValue >= 0xe0000 && (data.range?.last.rawValue ?? .max) < 1 << 20)
            #expect(Array(data.bytes[..<8]) == Array("RSD PTR ".utf8))
            #expect(data.bytes[..<20].reduce(0, &+) == 0 && data.bytes[..<36].reduce(0, &+) == 0)
            let xsdt = try table(at: number(data.bytes[24..<32]))
            found["XSDT"] = xsdt
            for place in stride(from: 36, to: xsdt.count, by: 8) {
                let table = try table(at: number(xsdt[place..<place + 8]))
                found[String(decoding: table[..<4], as: UTF8.self)] = table
            }
            let fadt = try #require(found["FACP"])
            #expect(number(fadt[40..<44]) == number(fadt[140..<148]))
            found["DSDT"] = try table(at: number(fadt[140..<148]))
        }

        private func table(at address: UInt64) throws -> [UInt8] {
            let start = Int(address - data.address.rawValue)
            let size = Int(number(data.bytes[start + 4..<start + 8]))
            let table = Array(data.bytes[start..<start + size])
            #expect(table.reduce(0, &+) == 0, "\(String(decoding: table[..<4], as: UTF8.self))")
            return table
        }
    }

    @Test("checksums, pointers and the MADT, for any number of processors", arguments: [1, 2, 64, 254, 255, 256, 1000])
    func processors(count: Int) throws {
        let madt = try #require(try tables(count).found["APIC"])
        var ids: [UInt64] = []
        var (next, types) = (44, [UInt8: Int]())
        while next < madt.count {
            types[madt[next], default: 0] += 1
            if madt[next] == 0 { ids.append(UInt64(madt[next + 3])) }
            if madt[next] == 9 { ids.append(number(madt[next + 4..<next + 8])) }
            next += Int(madt[next + 1])
        }
        #expect(next == madt.count && ids == (0..<UInt64(count)).map { $0 })
        #expect(types[1] == 1 && types[4] == 1 && types[2] == nil)
    }

    @Test func theFixedRegisters() throws {
        let reduced = try #require(try tables().found["FACP"])
        #expect(reduced.count == 276 && reduced[112...].prefix(4).elementsEqual([0x35, 4, 0x10, 0]))
        #expect(number(reduced[120..<128]) == 0xcf9 && reduced[128] == 6)
        #expect(number(reduced[248..<256]) == 0x600 && number(reduced[260..<268]) == 0x601)
        #expect(reduced[46] == 0 && number(reduced[76..<80]) == 0)
        let full = try tables(isFull: true)
        let fadt = try #require(full.found["FACP"])
        #expect(fadt[112...].prefix(4).elementsEqual([0x35, 5, 0, 0]))
        #expect(fadt[46] == 9 && number(fadt[76..<80]) == 0x60c && fadt[91] == 4)
        let facs = Int(number(fadt[36..<40]) - full.data.address.rawValue)
        #expect((facs + Int(full.data.address.rawValue)) % 64 == 0)
        #expect(Array(full.data.bytes[facs..<facs + 8]) == Array("FACS".utf8) + [64, 0, 0, 0])
        let madt = try #require(full.found["APIC"])
        #expect(madt.suffix(16).prefix(10).elementsEqual([2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0]))
    }

    @Test("configuration space of each segment", arguments: [0, 1, 3] as [UInt16])
    func segments(count: UInt16) throws {
        let mcfg = try tables(segments: count).found["MCFG"]
        #expect((mcfg == nil) == (count == 0))
        for number in 0..<Int(mcfg == nil ? 0 : count) {
            let entry = mcfg?[(44 + 16 * number)..<(60 + 16 * number)]
            #expect(entry?.elementsEqual([0, 0, 0, 0xc0, 0, 0, 0, 0, UInt8(number), 0, 0, 15, 0, 0, 0, 0]) == true)
        }
    }

    @Test func tablesNeedRoom() throws {
        let roms = try #require(GuestRange(first: GuestAddress(0xf0000), size: 0x10000))
        #expect(throws: Never.self) {
            try ACPITables(
                processors: 1, segments: [], isFull: false, beside: [roms], ram: RAMLayout(low: 1 << 20, high: 0))
        }
        #expect(throws: FirmwareError.self) {
            try ACPITables(
                processors: 10_000, segments: [], isFull: false, beside: [roms], ram: RAMLayout(low: 1 << 20, high: 0))
        }
        #expect(throws: FirmwareError.self) {
            try ACPITables(
                processors: 1, segments: [], isFull: false, beside: [], ram: RAMLayout(low: 64 << 10, high: 0))
        }
    }

    @Test(
        "ACPICA's disassembler reads the tables",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/iasl")))
    func disassembly() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "swiftlet-acpi-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for isFull in [false, true] {
            for (name, table) in try tables(4, isFull: isFull, segments: 2).found {
                let file = folder.appending(path: "\(name).dat")
                try Data(table).write(to: file)
                let iasl = Process()
                iasl.executableURL = URL(filePath: "/usr/bin/iasl")
                iasl.arguments = ["-d", file.path()]
                let output = Pipe()
                (iasl.standardOutput, iasl.standardError) = (output, output)
                try iasl.run()
                let printed = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                iasl.waitUntilExit()
                #expect(
                    iasl.terminationStatus == 0 && !printed.contains("rror") && !printed.contains("nvalid"),
                    "\(name): \(printed)")
            }
            let text = try String(contentsOf: folder.appending(path: "DSDT.dsl"), encoding: .utf8)
            for expected in [
                "Device (P003)", "Name (_HID, EisaId (\"PNP0A08\")", "Name (_SEG, One)", "Method (_OSC, 4,",
                "Return (Arg3)",
                "Name (_BBN, 0x08)", "Method (_PRT, 0,", "0x001FFFFF", "IO (Decode16,",
                "0x00000000D0000000, // Range Minimum",
            ] { #expect(text.contains(expected), "\(expected)") }
            #expect(!text.contains("Invalid"))
        }
    }
}

/// The number that lies in memory as these bytes.
func number(_ bytes: some BidirectionalCollection<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}
