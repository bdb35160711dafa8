internal import Board
internal import PCI

/// A layout as a JSON file has it; `docs/layouts.md` describes the keys.
public struct LayoutFile: Sendable {
    let name: String
    let functions: [Function]
    /// Where the machine's apertures lie, and how many buses it has.
    let choices: AddressMap.Choices

    /// One function, or several alike at addresses one after the other.
    struct Function: Sendable {
        let first: FunctionAddress
        let count: Int
        let description: FunctionDescription
    }
}

/// A layout file whose every key is known.
public struct CheckedLayoutFile: Decodable, Sendable {
    public let file: LayoutFile

    public init(from decoder: any Decoder) throws {
        let object = try LayoutObject(decoder.container(keyedBy: LayoutObject.Key.self), keys: ["name", "functions", "apertures", "buses"])
        let keys: Set = ["at", "repeat", "vendor", "device", "class", "bars", "rom", "msi", "msix", "doorbell"]
        file = LayoutFile(
            name: try object.value("name"),
            functions: try object.list("functions", keys: keys).map(LayoutFile.Function.init),
            choices: try AddressMap.Choices(object))
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

extension LayoutFile.Function {
    fileprivate init(_ object: LayoutObject) throws {
        let at: String = try object.value("at")
        guard let first = FunctionAddress(text: at) else {
            throw object.badValue("at", at, expected: "an address such as 00:04.0")
        }
        self.first = first
        count = try object.optional("repeat") ?? 1
        guard count > 0 else { throw object.badValue("repeat", "\(count)", expected: "a count of at least 1") }
        var description = FunctionDescription(
            vendorID: UInt16(try object.number("vendor", below: 1 << 16, "an id of 16 bits") ?? 0x1af4),
            deviceID: UInt16(try object.number("device", below: 1 << 16, "an id of 16 bits") ?? 1),
            classCode: UInt32(try object.number("class", below: 1 << 24, "a class code of 24 bits") ?? 0xff0000))
        let bars = object.has("bars") ? try object.list("bars", keys: BARDescription.keys) : []
        for (index, bar) in bars.enumerated() {
            let number: Int = try bar.value("bar")
            guard description.bars.updateValue(try BARDescription(bar), forKey: number) == nil else {
                throw object.badValue("bars[\(index)].bar", "\(number)", expected: "a BAR of its own")
            }
        }
        description.romSize = object.has("rom") ? try object.number("rom") : nil
        description.msiVectors = try object.optional("msi")
        if object.has("msix") {
            let msix = try object.object("msix", keys: ["vectors", "table", "pendingBits"])
            description.msix = MSIXDescription(
                vectors: try msix.value("vectors"), table: try msix.location("table"),
                pendingBits: try msix.location("pendingBits"))
        }
        description.doorbell = object.has("doorbell") ? try object.location("doorbell") : nil
        self.description = description
    }
}

extension BARDescription {
    fileprivate static let keys: Set = ["bar", "kind", "size", "prefetchable", "registers"]

    fileprivate init(_ object: LayoutObject) throws {
        self.init(
            kind: try object.value("kind"), size: try object.number("size"),
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

extension Layout {
    /// The layout that a file describes.
    public init(_ file: LayoutFile) throws(LayoutError) {
        var functions: [Function] = []
        for entry in file.functions {
            let (first, count) = (entry.first, entry.count)
            // Checked here, so that a short file does not fill the memory.
            guard count <= 1 << 16, Int(first.requesterID) + count <= 1 << 16, functions.count + count <= 1 << 16 else {
                throw .tooManyFunctions(first: first, count: count)
            }
            for offset in 0..<count {
                let address = FunctionAddress(requesterID: first.requesterID + UInt16(offset))
                functions.append(Function(address: address, description: entry.description))
            }
        }
        try self.init(name: file.name, functions: functions, choices: file.choices)
    }
}
