internal import Memslots
public import PCI

/// The record of a captured real device in a layout file: `{"at": …, "record": …}`. docs/layouts.md describes the keys.
extension DeviceRecord {
    static let keys: Set = ["regions", "interrupts", "resets", "configuration", "configurationSize"]

    /// Reads the record from its JSON object.
    init(_ object: LayoutObject) throws {
        self.init(canReset: try object.optional("resets") ?? false)
        let size = try object.number("configurationSize")
        guard size == 256 || size == 4096 else {
            throw object.badValue("configurationSize", "\(size)", expected: "256 or 4096")
        }
        configuration = [UInt8](repeating: 0, count: Int(size))
        let rows: [String: String] = try object.value("configuration")
        for (place, text) in rows {
            let bytes = text.split(separator: " ").map(hexadecimalByte)
            guard let offset = Int(place, radix: 16), place.allSatisfy(\.isHexDigit), offset % 16 == 0,
                (0..<Int(size)).contains(offset),
                bytes.count == 16,
                !bytes.contains(nil)
            else { throw object.badValue("configuration.\(place)", text, expected: "a row of 16 bytes at its offset") }
            configuration.replaceSubrange(offset..<offset + 16, with: bytes.compactMap(\.self))
        }
        for region in try object.list("regions", keys: ["region", "size", "access", "areas"]) {
            let name: String = try region.value("region")
            guard let number = RegionNumber.allCases.first(where: { "\($0)" == name }), regions[number] == nil else {
                throw region.badValue(
                    "region", name, expected: "a region of its own: bar0 to bar5, rom, configuration or vga")
            }
            regions[number] = try Region(region)
            if number == .configuration, let whole = regions[number]?.size, whole < size {
                throw region.badValue("size", "\(whole)", expected: "the \(size) bytes of configurationSize")
            }
        }
        for entry in try object.list("interrupts", keys: ["kind", "count", "traits"]) {
            let name: String = try entry.value("kind")
            guard let kind = InterruptKind.allCases.first(where: { "\($0)" == name }), interrupts[kind] == nil else {
                throw entry.badValue("kind", name, expected: "a kind of its own: intx, msi, msix, error or request")
            }
            let names: [String] = try entry.value("traits")
            var traits: InterruptTraits = []
            for name in names {
                guard let trait = InterruptTraits.names.first(where: { $0.name == name })?.trait else {
                    throw entry.badValue(
                        "traits", name, expected: InterruptTraits.names.map(\.name).joined(separator: ", "))
                }
                traits.insert(trait)
            }
            let count = try entry.number("count", below: 1 << 16, "a count below 65536") ?? 0
            interrupts[kind] = Interrupts(count: UInt32(count), traits: traits)
        }
    }
}

extension DeviceRecord.Region {
    fileprivate init(_ object: LayoutObject) throws {
        self.init(size: try object.number("size"), isReadable: false, isWritable: false)
        let access: String = try object.value("access")
        guard ["", "r", "w", "rw"].contains(access) else {
            throw object.badValue("access", access, expected: "r, w or rw")
        }
        (isReadable, isWritable) = (access.contains("r"), access.contains("w"))
        guard object.has("areas") else { return }
        for (index, area) in try object.list("areas", keys: ["offset", "size"]).enumerated() {
            let (offset, count) = (try area.number("offset"), try area.number("size"))
            guard offset >= areas.last?.upperBound ?? 0, offset <= size, count > 0, count <= size - offset else {
                throw object.badValue(
                    "areas[\(index)]", "\(offset)+\(count)",
                    expected: "a part of \(size) bytes behind the one before it")
            }
            areas.append(offset..<offset + count)
        }
    }
}

extension DeviceRecord.InterruptTraits {
    fileprivate static let names: [(name: String, trait: Self)] = [
        ("eventfd", .eventfd), ("maskable", .maskable), ("automasked", .automasked), ("fixedCount", .fixedCount),
    ]
}

/// The contents of a layout file of captured functions.
public struct RecordedLayout: Encodable, Sendable {
    private let name: String
    private let functions: [Function]

    private struct Function: Encodable {
        let at: String
        let record: Record
    }

    /// The record of a function as a layout file has it. Rows of configuration space that are zero are left out.
    private struct Record: Encodable {
        struct Region: Encodable {
            let region: String
            let size: UInt64
            let access: String
            let areas: [[String: UInt64]]?
        }

        struct Interrupts: Encodable {
            let kind: String
            let count: UInt32
            let traits: [String]
        }

        let regions: [Region]
        let interrupts: [Interrupts]
        let resets: Bool
        let configurationSize: Int
        let configuration: [String: String]

        init(_ record: DeviceRecord) {
            regions = record.regions.sorted { $0.key.rawValue < $1.key.rawValue }.map { number, region in
                let areas = region.areas.map { ["offset": $0.lowerBound, "size": $0.upperBound - $0.lowerBound] }
                return Region(
                    region: "\(number)", size: region.size,
                    access: (region.isReadable ? "r" : "") + (region.isWritable ? "w" : ""),
                    areas: areas.isEmpty ? nil : areas)
            }
            interrupts = record.interrupts.sorted { $0.key.rawValue < $1.key.rawValue }.map { kind, interrupts in
                Interrupts(
                    kind: "\(kind)", count: interrupts.count,
                    traits: DeviceRecord.InterruptTraits.names.filter { interrupts.traits.contains($0.trait) }.map(
                        \.name)
                )
            }
            resets = record.canReset
            configurationSize = record.configuration.count
            var rows: [String: String] = [:]
            for offset in stride(from: 0, to: record.configuration.count, by: 16) {
                let row = record.configuration[offset..<min(offset + 16, record.configuration.count)]
                if row.contains(where: { $0 != 0 }) {
                    rows[hexadecimal(offset, digits: 3)] = row.map { hexadecimal($0, digits: 2) }.joined(separator: " ")
                }
            }
            configuration = rows
        }
    }

    /// Makes a layout of one captured function. The layout's name contains the IDs of vendor and device.
    public init(at address: FunctionAddress, _ record: DeviceRecord) {
        let bytes = record.configuration.prefix(4).map { hexadecimal($0, digits: 2) }
        name =
            bytes.count < 4 ? "a captured device" : "a captured device, \(bytes[1])\(bytes[0]):\(bytes[3])\(bytes[2])"
        functions = [Function(at: "\(address)", record: Record(record))]
    }
}

/// Returns the value of a byte that is written in two hexadecimal digits.
private func hexadecimalByte(_ text: some StringProtocol) -> UInt8? {
    text.count == 2 && text.allSatisfy(\.isHexDigit) ? UInt8(text, radix: 16) : nil
}
