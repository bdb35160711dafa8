import Host
import Layouts
import Memslots
import PCI

/// Draws a machine's memory into a file.
enum MapFile {
    static func write(_ memory: MemoryDescription, title: String, to path: String) throws {
        guard path != "-" else {
            throw failure("--map needs the name of a file, such as memory.svg", status: ExitStatus.usage)
        }
        let mapped = memory.rows.map { row in
            MapPiece(
                kind: kind(of: row.mapping), first: row.mapping.range.first.rawValue,
                last: row.mapping.range.last.rawValue, owner: row.mapping.owner, slot: row.slot)
        }
        let trapped = memory.trapped.map { region in
            MapPiece(
                kind: .trapped, first: region.range.first.rawValue, last: region.range.last.rawValue,
                owner: "\(region.owner)", slot: nil)
        }
        let areas = memory.areas.map { area in
            MapArea(name: area.name, first: area.range.first.rawValue, last: area.range.last.rawValue)
        }
        let svg = MemoryMapSVG(title: title, areas: areas, pieces: mapped + trapped).text
        let descriptor: Int32
        do { descriptor = try FileBytes.create(path) } catch {
            throw failure("cannot write the map: \(error)", status: ExitStatus.hostError)
        }
        try emit(Array(svg.utf8), to: descriptor)
    }

    private static func kind(of mapping: Mapping) -> MapPiece.Kind {
        switch mapping.owner {
        case "RAM": .ram
        case "extra slot": .extra
        default: mapping.owner.hasSuffix("ROM") ? .rom : .bar
        }
    }
}
