import Memslots
import Pictures

/// A piece of guest-physical memory on the map: RAM, or a part of a BAR or ROM that is handled in one way.
struct MapPiece: Hashable, Sendable {
    /// The name of a kind is the class that paints it. The class of a BAR or ROM has the number of a hue at its end. The raw
    /// value explains the kind in the legend.
    enum Kind: String, CaseIterable, Encodable, Sendable {
        case ram = "RAM"
        /// A part of a BAR that the guest reaches without the monitor.
        case bar = "BAR"
        case rom = "ROM"
        /// A part of a BAR or ROM where every access exits to the monitor.
        case trapped = "trapped: every access exits"
        /// Memory that belongs to no function and is not RAM, such as the extra slots of a guest.
        case extra = "other memory"
        /// Addresses that a bridge passes on. Other pieces lie among them.
        case window = "window of a bridge"
        /// Addresses at which nothing is.
        case unmapped

        func encode(to encoder: any Encoder) throws { try "\(self)".encode(to: encoder) }

        var isHued: Bool { [.bar, .rom, .trapped].contains(self) }
    }

    var kind: Kind
    var range: GuestRange
    /// The owner: `RAM`, `00:04.0 BAR 2`, `00:04.0 ROM`. For BARs and ROMs it is the function, a space, and the register.
    var owner: String
    /// The memory slot that the piece is in. Nil if it is in none.
    var slot: Int?
    /// The host memory behind the piece. Nil if there is none.
    var backing: Backing?
    /// The name that a dump gives to the function. Empty without one.
    var name = ""

    /// The function that the piece belongs to, which also chooses its hue. Nil if the piece is not of a BAR or ROM.
    var function: Substring? { kind.isHued ? owner.prefix { $0 != " " } : nil }

    /// The owner without its function.
    var register: Substring { owner.drop { $0 != " " }.dropFirst() }

    /// The owner, its name, the range, and the size with the slot, each in a line of its own.
    var tooltip: String {
        let slot = slot.map { "slot \($0)" } ?? "no slot"
        return
            "\(owner)\(kind == .trapped ? ", trapped" : "")\n\(name.isEmpty ? "" : "\(name)\n")"
            + "\(Figures.range(range))\n\(Figures.size(range.size)), \(slot)"
    }

    /// Returns the addresses from `from` up to but not including `end` as an unmapped piece. Returns no piece if the two are
    /// equal.
    static func unmapped(from: UInt64, upTo end: UInt64) -> [MapPiece] {
        // If `end` is the end of the address space, the difference wraps to the right size.
        let range = GuestRange(first: GuestAddress(from), size: end &- from)
        return range.map { [MapPiece(kind: .unmapped, range: $0, owner: "unmapped")] } ?? []
    }
}

extension Sequence<MapPiece> {
    var totalSize: UInt64 { reduce(0) { $0 &+ $1.range.size } }

    var byAddress: [MapPiece] { sorted { ($0.range.first, $0.owner) < ($1.range.first, $1.owner) } }

    /// The pieces in order of their addresses. A piece comes after the pieces that contain it.
    var outermostFirst: [MapPiece] {
        sorted { left, right in
            (left.range.first, right.range.last, left.owner) < (right.range.first, left.range.last, right.owner)
        }
    }
}

/// A named range of guest-physical addresses, and the pieces that begin in it, in order of their addresses.
struct MapArea: Hashable, Sendable {
    var name: String
    var range: GuestRange
    var pieces: [MapPiece] = []
    /// The windows of bridges in the range. A window comes after the windows that contain it.
    var windows: [MapPiece] = []
}

extension Figures {
    static func range(_ range: GuestRange) -> String { "\(range.first) – \(range.last)" }
}
