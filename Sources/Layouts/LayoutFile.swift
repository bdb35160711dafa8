internal import Board
public import PCI

/// A layout in the form of a JSON file. `docs/layouts.md` describes the keys.
public struct LayoutFile: Decodable, Sendable {
    /// The layout.
    public let layout: Layout

    /// Reads a file. Every key in it must be known.
    ///
    /// - Throws: `LayoutError`, with the path to the wrong value.
    public init(from decoder: any Decoder) throws {
        let object = try LayoutObject(
            decoder.container(keyedBy: LayoutObject.Key.self),
            keys: ["name", "functions", "bridges", "apertures", "buses"])
        var assigned: [FunctionAddress: AssignedSource] = [:]
        var functions: [Layout.Function] = []
        for entry in try object.list("functions", keys: LayoutEntry.keys.union(["repeat"])) {
            guard let source = try LayoutEntry.source(entry) else {
                functions += try Self.functions(entry, after: functions.count)
                continue
            }
            let address = try Self.address(entry)
            guard assigned.updateValue(source, forKey: address) == nil else {
                throw LayoutError.sharedAddress(address)
            }
        }
        functions += try Self.bridges(object)
        functions.sort { $0.address < $1.address }
        for (left, right) in zip(functions, functions.dropFirst()) where left.address == right.address {
            throw LayoutError.sharedAddress(left.address)
        }
        if let shared = functions.first(where: { assigned[$0.address] != nil }) {
            throw LayoutError.sharedAddress(shared.address)
        }
        var choices = try AddressMap.Choices(object)
        let segments = functions.map(\.address.segment) + assigned.keys.map(\.segment)
        if let last = segments.max(), last > 0 { choices.segments = Int(last) + 1 }
        layout = Layout(
            name: try object.value("name"), functions: functions, assigned: assigned, choices: choices)
    }

    /// Reads one function, or several equal functions at consecutive addresses.
    private static func functions(_ object: LayoutObject, after others: Int) throws -> [Layout.Function] {
        let first = try address(object)
        let count: Int = try object.optional("repeat") ?? 1
        guard count > 0 else { throw object.badValue("repeat", "\(count)", expected: "a count of at least 1") }
        let (description, record) = try LayoutEntry.description(object)
        // This is checked before the functions are made, so that a short file cannot fill the memory.
        guard count <= 1 << 16, Int(first.requesterID) + count <= 1 << 16, others + count <= 1 << 18 else {
            throw LayoutError.tooManyFunctions(first: first, count: count)
        }
        return (0..<count).map { offset in
            Layout.Function(
                address: FunctionAddress(requesterID: first.requesterID + UInt16(offset), segment: first.segment),
                description: description, record: record)
        }
    }

}

/// An entry of a layout file's list of functions. It is read from JSON with nothing but the entry, or from a layout file whose
/// list has this entry alone. An entry may leave out the address.
public struct LayoutEntry: Decodable, Sendable {
    /// The content of an entry.
    public enum Content: Sendable {
        /// A function that the entry describes.
        case described(FunctionDescription)
        /// A function that a device process or the host gives.
        case assigned(AssignedSource)
    }

    /// The address for the function. Nil for any address.
    public let address: FunctionAddress?
    /// The function.
    public let content: Content

    static let keys: Set = [
        "vfio", "vfioUser", "at", "vendor", "device", "class", "bars", "rom", "msi", "msix", "doorbell", "pin",
        "record",
    ]

    /// Reads an entry. Every key in it must be known.
    ///
    /// - Throws: `LayoutError`, with the path to the wrong value.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: LayoutObject.Key.self)
        let isFile = values.allKeys.contains { $0.stringValue == "functions" }
        var object = try LayoutObject(values, keys: isFile ? ["name", "functions"] : Self.keys)
        if isFile {
            let list = try object.list("functions", keys: Self.keys)
            guard list.count == 1 else {
                throw object.badValue("functions", "\(list.count) functions", expected: "a list of one")
            }
            object = list[0]
        }
        address = object.has("at") ? try LayoutFile.address(object) : nil
        content = try Self.source(object).map { .assigned($0) } ?? .described(try Self.description(object).0)
    }

    /// Returns the source of a function that is not described. Nil for a described function.
    static func source(_ object: LayoutObject) throws -> AssignedSource? {
        guard let key = ["vfio", "vfioUser"].first(where: object.has) else { return nil }
        let name: String = try object.value(key)
        guard object.keys.isSubset(of: ["at", key]) else {
            throw object.badValue(key, name, expected: "beside `at` alone: the device says all else")
        }
        return key == "vfio" ? .host(name) : .process(name)
    }

    /// Reads the description of a function. What a record tells may not be told by other keys.
    static func description(_ object: LayoutObject) throws -> (FunctionDescription, DeviceRecord?) {
        guard object.has("record") else { return (try FunctionDescription(object), nil) }
        let record = try DeviceRecord(object.object("record", keys: DeviceRecord.keys))
        let own = ["vendor", "device", "class", "bars", "rom", "msi", "msix", "doorbell", "pin"]
        if let key = own.first(where: object.has) {
            throw object.badValue(key, "a key beside `record`", expected: "needed: the record says all of it")
        }
        do { return (try record.functionDescription(asksModel: false), record) } catch {
            throw object.badValue("record", "\(error)", expected: "what a function can be")
        }
    }
}

extension AddressMap.Choices {
    fileprivate init(_ object: LayoutObject) throws {
        self.init(buses: try object.optional("buses"))
        guard object.has("apertures") else { return }
        let apertures = try object.object("apertures", keys: ["low", "high"])
        lowAperture = try apertures.range("low")
        highAperture = try apertures.range("high")
    }
}

extension FunctionDescription {
    fileprivate init(_ object: LayoutObject) throws {
        self.init(
            vendorID: UInt16(try object.code("vendor", bits: 16) ?? 0x1af4),
            deviceID: UInt16(try object.code("device", bits: 16) ?? 1),
            classCode: UInt32(try object.code("class", bits: 24) ?? 0xff0000))
        let bars = object.has("bars") ? try object.list("bars", keys: BARDescription.keys) : []
        for (index, bar) in bars.enumerated() {
            let number: Int = try bar.value("bar")
            guard self.bars.updateValue(try BARDescription(bar), forKey: number) == nil else {
                throw object.badValue("bars[\(index)].bar", "\(number)", expected: "a BAR of its own")
            }
        }
        romSize = object.has("rom") ? try object.number("rom") : nil
        msiVectors = try object.optional("msi")
        if object.has("msix") {
            let object = try object.object("msix", keys: ["vectors", "table", "pendingBits"])
            msix = MSIXDescription(
                vectors: try object.value("vectors"), table: try object.location("table"),
                pendingBits: try object.location("pendingBits"))
        }
        doorbell = object.has("doorbell") ? try object.location("doorbell") : nil
        if object.has("pin") { interruptPin = UInt8(try object.number("pin", below: 5, "1 (INTA#) to 4 (INTD#)") ?? 0) }
    }
}

extension BARDescription {
    fileprivate static let keys: Set = ["bar", "kind", "size", "prefetchable", "registers"]

    fileprivate init(_ object: LayoutObject) throws {
        let name: String = try object.value("kind")
        guard let kind = Kind(rawValue: name) else {
            throw object.badValue("kind", name, expected: "memory32, memory64 or io")
        }
        self.init(
            kind: kind, size: try object.number("size"),
            isPrefetchable: try object.optional("prefetchable") ?? false)
        guard object.has("registers") else { return }
        for (index, part) in try object.list("registers", keys: ["offset", "size"]).enumerated() {
            let (offset, count) = (try part.number("offset"), try part.number("size"))
            let (end, overflow) = offset.addingReportingOverflow(count)
            guard !overflow, count > 0, end <= size else {
                throw object.badValue(
                    "registers[\(index)]", "\(offset)+\(count)", expected: "a part of a BAR of \(size) bytes")
            }
            registers.append(offset..<end)
        }
    }
}
