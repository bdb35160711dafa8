import Board
import Layouts
import Memslots
import PCI

/// The file that `--map` names: a machine's memory, drawn.
struct MapFile {
    private let file: OutputFile

    init(_ path: String) throws {
        file = try OutputFile(picture: path, for: "--map")
    }

    func write(_ memory: MemoryDescription, title: String) throws {
        let mapped = memory.rows.map { row in
            MapPiece(
                kind: Self.kind(of: row.mapping), first: row.mapping.range.first.rawValue,
                last: row.mapping.range.last.rawValue, owner: "\(row.mapping.owner)", slot: row.slot)
        }
        let trapped = memory.trapped.map { region in
            MapPiece(
                kind: .trapped, first: region.range.first.rawValue, last: region.range.last.rawValue,
                owner: "\(region.owner)", slot: nil)
        }
        let areas = memory.areas.map { area in
            MapArea(name: area.name, first: area.range.first.rawValue, last: area.range.last.rawValue)
        }
        try file.write(MemoryMapSVG(title: title, areas: areas, pieces: mapped + trapped).text)
    }

    private static func kind(of mapping: Mapping) -> MapPiece.Kind {
        switch mapping.owner {
        case .ram: .ram
        case .extra, .other: .extra
        case .bar: .bar
        case .rom: .rom
        }
    }
}
