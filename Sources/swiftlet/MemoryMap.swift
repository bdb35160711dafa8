import Board
import Layouts
import Memslots
import PCI
import Pictures

/// The layout of guest memory, as it is to be drawn.
struct MemoryMap {
    let title: String
    var areas: [MapArea] = []
    var pieces: [MapPiece] = []
    var windows: [MapPiece] = []
    private let memory: MemoryDescription
    /// The names that a dump gives to functions, by their addresses.
    fileprivate let names: [String: String]
    /// Whether a plan fits, in a few words. Nil for a machine.
    fileprivate let verdict: String?

    /// Takes over a machine's memory, or the memory of a plan. In a plan, no host memory is behind it.
    ///
    /// - Parameters:
    ///   - names: The names that a dump gives to functions, by their addresses.
    ///   - verdict: Whether a plan fits, in a few words.
    init(_ memory: MemoryDescription, title: String, names: [String: String], verdict: String? = nil) {
        (self.title, self.memory, self.names, self.verdict) = (title, memory, names, verdict)
        pieces = memory.rows.map { row in
            let kind: MapPiece.Kind =
                switch row.mapping.owner {
                case .ram: .ram
                case .extra, .other: .extra
                case .bar: .bar
                case .rom: .rom
                }
            return MapPiece(
                kind: kind, range: row.mapping.range, owner: "\(row.mapping.owner)", slot: row.slot,
                backing: verdict != nil ? nil : row.mapping.backing)
        }
        pieces += memory.trapped.map { MapPiece(kind: .trapped, range: $0.range, owner: "\($0.owner)") }
        areas = memory.areas.map { MapArea(name: $0.name, range: $0.range) }
        windows = memory.windows.compactMap { window in
            GuestRange(first: GuestAddress(window.base), size: window.size).map {
                MapPiece(kind: .window, range: $0, owner: "\(window.owner)")
            }
        }
        func named(_ piece: MapPiece) -> MapPiece {
            var piece = piece
            piece.name = names[String(piece.owner.prefix { $0 != " " })] ?? ""
            return piece
        }
        (pieces, windows) = (pieces.map(named), windows.map(named))
    }

    /// Returns the slots that KVM would have under a policy.
    fileprivate func slots(_ policy: SlotPolicy) -> PlannedSlots {
        // The place of the memory on the host makes no difference to the number of slots.
        let mappings = memory.rows.map { row in
            var mapping = row.mapping
            mapping.backing.id = 0
            return mapping
        }
        return PlannedSlots(mappings, policy: policy, apertures: memory.areas.filter(\.isAperture).map(\.range))
    }

    /// Returns the drawing. If the name of the file ends in `.html`, returns a page in which one can zoom.
    func document(for path: String?) throws -> String {
        path?.hasSuffix(".html") == true
            ? try MemoryMapPage(self).text
            : MemoryMapSVG(title: title, areas: areas, pieces: pieces, windows: windows, verdict: verdict).text
    }
}

/// The map as a page for browsers, in which one can zoom from all of guest memory to a single page. It needs no network.
private struct MemoryMapPage: Encodable {
    private let title, facts: String
    private let names: [String: String]
    private let areaList, windowList, pieceList: [Item]
    private let policyList: [Policy]
    /// The addresses that the page shows first.
    private let used: Item?

    private struct Policy: Encodable {
        let policy: SlotPolicy
        let slotList: [Item]
    }

    /// Anything that has a range of addresses. If a key is missing, the item has no such thing.
    private struct Item: Encodable {
        let first, last: String
        var kind: MapPiece.Kind?
        var name, owner, function, backing: String?
        var slot, mappings: Int?
        var tdpBytes, shadowBytes: UInt64?

        init(_ range: GuestRange) { (first, last) = ("\(range.first)", "\(range.last)") }

        init(_ piece: MapPiece) {
            self.init(piece.range)
            (kind, owner, function, slot) = (piece.kind, piece.owner, piece.function.map(String.init), piece.slot)
            backing = piece.backing.map { "backing \($0.id), from \(hexadecimal($0.offset))" }
        }

        init(_ slot: PlannedSlots.Slot) {
            self.init(slot.range)
            mappings = slot.mappings
            tdpBytes = Footprint.kernelBytes(pages: slot.range.pages, mmu: .tdp)
            shadowBytes = Footprint.kernelBytes(pages: slot.range.pages, mmu: .shadow)
        }
    }

    init(_ map: MemoryMap) {
        (title, names) = (map.title, map.names)
        let pieces = map.pieces.byAddress
        let functions = Set(pieces.compactMap(\.function)).count
        facts = MemoryMapSVG.figures(
            of: pieces, behind: [map.verdict, Figures.count(functions, "function")].compactMap(\.self))
        pieceList = pieces.map(Item.init)
        used = Self.used(by: pieces).map(Item.init)
        areaList = map.areas.sorted { $0.range.first < $1.range.first }.map { area in
            var item = Item(area.range)
            item.name = area.name
            return item
        }
        windowList = map.windows.outermostFirst.map(Item.init)
        policyList = SlotPolicy.allCases.map { Policy(policy: $0, slotList: map.slots($0).slots.map(Item.init)) }
    }

    /// Returns the range from the first piece to the last. If 64-bit BARs lie so far above that the rest could hardly be seen,
    /// the range ends with the RAM, or with the addresses of 32 bits.
    private static func used(by pieces: [MapPiece]) -> GuestRange? {
        guard let first = pieces.first?.range.first, let last = pieces.last?.range.last else { return nil }
        let (limit, most) = (GuestAddress(UInt64(UInt32.max)), 16 as UInt64)
        let near = pieces.last { $0.kind == .ram || $0.range.first <= limit }.map { max($0.range.last, limit) } ?? last
        return GuestRange(first: first, last: last.rawValue / most > near.rawValue ? near : last)
    }

    var text: String {
        get throws {
            // `<` could end the script that holds the data.
            let data = String(decoding: try encodeJSON(self), as: UTF8.self).split(
                separator: "<", omittingEmptySubsequences: false
            )
            .joined(separator: "\\u003c")
            let page = String(decoding: PackageResources.Map_html, as: UTF8.self)
            return page.split(separator: "MAP_DATA", maxSplits: 1).joined(separator: data)
        }
    }
}

extension Layout {
    /// The names that a dump gives to the functions, by the addresses at which guests find the functions.
    var functionNames: [String: String] {
        let named = functions.filter { !$0.name.isEmpty }
        return Dictionary(named.map { ("\($0.address)", $0.name) }) { first, _ in first }
    }
}
