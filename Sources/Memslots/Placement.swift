/// A part of guest-physical address space, and the reserved host address space that mirrors it: what lies side by side
/// in one can be placed side by side in the other.
public struct HostWindow: Hashable, Sendable {
    public let aperture: GuestRange
    /// The host address that stands for the aperture's first byte.
    public let host: UInt64

    public init(aperture: GuestRange, host: UInt64) {
        self.aperture = aperture
        self.host = host
    }
}

/// A piece of a backing that is mapped into a host window.
public struct WindowPiece: Hashable, Sendable {
    public let host: UInt64
    /// In bytes.
    public internal(set) var size: UInt64
    public let backing: Backing

    /// Whether `other` goes on where this piece ends, in the window and in the backing, so that one `mmap` serves both.
    func isFollowed(by other: WindowPiece) -> Bool {
        host &+ size == other.host && backing.id == other.backing.id
            && backing.offset &+ size == other.backing.offset
    }
}

extension [WindowPiece] {
    /// Adds a piece, which lies behind those that are there; a run of neighbours is one piece.
    mutating func appendRun(_ piece: WindowPiece) {
        if let last, last.isFollowed(by: piece) {
            self[count - 1].size += piece.size
        } else {
            append(piece)
        }
    }
}

/// How the desired mappings become slots.
public enum SlotPolicy: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
    /// A slot for each mapping. Its host address is where the backing lies, so that a mapping that moves keeps it.
    case separate
    /// Neighbours share a slot: small mappings are placed into host windows, where they are neighbours too.
    case coalesced
}

/// Gives mappings their host addresses.
public struct Placement: Sendable {
    /// By backing id: the host address at which the whole backing is mapped.
    public var backings: [UInt64]
    public var windows: [HostWindow]

    /// Mappings of this size or more stay out of windows: a run of huge ones would make each small change in it rebuild
    /// gigabytes of kernel metadata.
    public static let windowThreshold: UInt64 = 2 << 20

    public init(backings: [UInt64], windows: [HostWindow] = []) {
        self.backings = backings
        self.windows = windows
    }

    /// A mapping with its host address, in a window or where its backing is mapped.
    func place(_ mapping: Mapping, policy: SlotPolicy) -> PlacedMapping {
        if policy == .coalesced, mapping.range.size < Self.windowThreshold {
            for window in windows where window.aperture.contains(mapping.range) {
                let host = window.host &+ window.aperture.offset(of: mapping.range.first)
                return PlacedMapping(mapping: mapping, host: host, isInWindow: true)
            }
        }
        return PlacedMapping(mapping: mapping, host: backings[mapping.backing.id] &+ mapping.backing.offset)
    }
}
