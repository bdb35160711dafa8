/// A window: reserved host address space that mirrors an aperture. Memory that is contiguous in the aperture can be contiguous in
/// the window too.
public struct HostWindow: Hashable, Sendable {
    /// The guest-physical addresses that the window mirrors.
    public let aperture: GuestRange
    /// The host address that mirrors the aperture's first byte.
    public let host: UInt64

    /// Creates a window.
    public init(aperture: GuestRange, host: UInt64) {
        self.aperture = aperture
        self.host = host
    }
}

/// A part of a backing that is mapped into a window.
public struct WindowPiece: Hashable, Sendable {
    /// The host address in the window.
    public let host: UInt64
    /// The size in bytes.
    public internal(set) var size: UInt64
    /// The place in the backing that is mapped there.
    public let backing: Backing

    /// Returns whether `other` begins where this piece ends, in the window and in the backing, so that one `mmap` serves both.
    func isFollowed(by other: WindowPiece) -> Bool {
        host &+ size == other.host && backing.id == other.backing.id
            && backing.offset &+ size == other.backing.offset
    }
}

extension [WindowPiece] {
    /// Adds a piece that lies above all others. If it continues the last piece, the two become one.
    mutating func appendRun(_ piece: WindowPiece) {
        if let last, last.isFollowed(by: piece) {
            self[count - 1].size += piece.size
        } else {
            append(piece)
        }
    }
}

/// The policy by which mappings become slots.
public enum SlotPolicy: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
    /// Each mapping has a slot of its own. Its host address lies in the backing's stable mapping, so that a mapping that moves
    /// keeps its host address.
    case separate
    /// Neighbouring mappings share a slot. Small mappings are placed into windows, so that they are neighbours in host memory too.
    case coalesced
}

/// The host addresses of backings and windows, from which mappings get theirs.
public struct Placement: Sendable {
    /// The host address of each backing's stable mapping, by the backing's id.
    public var backings: [UInt64]
    /// The windows into which small mappings can be placed.
    public var windows: [HostWindow]

    /// The size limit of windows in bytes: mappings of this size or more stay out of windows. In a run of huge mappings, each small
    /// change would make KVM rebuild gigabytes of metadata.
    public static let windowThreshold: UInt64 = 2 << 20

    /// Creates a placement.
    public init(backings: [UInt64], windows: [HostWindow] = []) {
        self.backings = backings
        self.windows = windows
    }

    /// Returns a mapping with its host address, in a window or in the backing's stable mapping.
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
