import Memslots
import Pictures

/// A piece of guest-physical memory on the map: RAM, or a part of a BAR or ROM that is handled in one way.
struct MapPiece: Hashable, Sendable {
    /// The names of kinds are the classes that paint them, those of BARs and ROMs with the number of a hue behind them. Raw values
    /// explain them in the legend.
    enum Kind: String, CaseIterable, Encodable, Sendable {
        case ram = "RAM"
        /// A part of a BAR that the guest reaches without the monitor.
        case bar = "BAR"
        case rom = "ROM"
        /// A part of a BAR or ROM where every access exits to the monitor.
        case trapped = "trapped: every access exits"
        /// Memory that belongs to no function and is not RAM, such as the extra slots of a guest.
        case extra = "other memory"
        /// Addresses that a bridge passes on. Other pieces lie in them.
        case window = "window of a bridge"
        /// Addresses where nothing is.
        case unmapped

        func encode(to encoder: any Encoder) throws { try "\(self)".encode(to: encoder) }

        var isHued: Bool { [.bar, .rom, .trapped].contains(self) }
    }

    var kind: Kind
    var range: GuestRange
    /// `RAM`, `00:04.0 BAR 2`, `00:04.0 ROM`: for BARs and ROMs the function, a space, and the register.
    var owner: String
    /// The memory slot that the piece is in; nil where it is in none.
    var slot: Int?
    /// The host memory behind it; nil where there is none.
    var backing: Backing?
    /// What a dump calls the function; empty where none does.
    var name = ""

    /// The function that has the piece, and with it a hue; nil for what is not of a BAR or ROM.
    var function: Substring? { kind.isHued ? owner.prefix { $0 != " " } : nil }

    /// The owner without its function.
    var register: Substring { owner.drop { $0 != " " }.dropFirst() }

    /// The piece in a line each: its owner, the name of that, its range, its size and its slot.
    var tooltip: String {
        let slot = slot.map { "slot \($0)" } ?? "no slot"
        return
            "\(owner)\(kind == .trapped ? ", trapped" : "")\n\(name.isEmpty ? "" : "\(name)\n")"
            + "\(Figures.range(range))\n\(Figures.size(range.size)), \(slot)"
    }

    /// The addresses from one up to another that is not part of them, as an unmapped piece; none where they are equal.
    static func unmapped(from: UInt64, upTo end: UInt64) -> [MapPiece] {
        // The difference wraps to the right size where the end is that of the address space.
        let range = GuestRange(first: GuestAddress(from), size: end &- from)
        return range.map { [MapPiece(kind: .unmapped, range: $0, owner: "unmapped")] } ?? []
    }
}

extension Sequence<MapPiece> {
    var totalSize: UInt64 { reduce(0) { $0 &+ $1.range.size } }

    var byAddress: [MapPiece] { sorted { ($0.range.first, $0.owner) < ($1.range.first, $1.owner) } }

    /// The pieces by address, each behind those around it.
    var outermostFirst: [MapPiece] {
        sorted { left, right in
            (left.range.first, right.range.last, left.owner) < (right.range.first, left.range.last, right.owner)
        }
    }
}

/// A named range of guest-physical addresses, and the pieces that begin in it, by address.
struct MapArea: Hashable, Sendable {
    var name: String
    var range: GuestRange
    var pieces: [MapPiece] = []
    /// The windows of bridges in it, each behind those around it.
    var windows: [MapPiece] = []
}

extension Figures {
    static func range(_ range: GuestRange) -> String { "\(range.first) – \(range.last)" }
}
