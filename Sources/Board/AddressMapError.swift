internal import Memslots

/// The reason why a machine cannot have the address map that a user chose.
public enum AddressMapError: Error, Hashable, Sendable {
    /// An area that does not begin and end at page boundaries.
    case misaligned(AddressMap.Area)
    /// Two areas that overlap.
    case overlap(AddressMap.Area, with: AddressMap.Area)
    /// A low aperture that reaches beyond 4 GiB, where a 32-bit BAR cannot lie.
    case lowApertureAbove4GiB(AddressMap.Area)
    /// An area that reaches beyond the highest address that the processor's address bits allow.
    case beyondAddressBits(AddressMap.Area, bits: Int)
    /// A number of buses outside 1 to 256.
    case buses(Int)
    /// A function on a bus that the machine does not have.
    case noSuchBus(bus: UInt8, buses: Int)
    /// A number of segments outside 1 to 256, or segments whose configuration space leaves no room for a low aperture below the
    /// interrupt controllers.
    case segments(Int, buses: Int)
    /// A function in a segment that the machine does not have.
    case noSuchSegment(Int, segments: Int)
}

extension AddressMapError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .misaligned(let area): "\(text(area)) does not begin and end at page boundaries (4096 bytes)"
        case .overlap(let area, let other): "\(text(area)) overlaps \(text(other))"
        case .lowApertureAbove4GiB(let area): "\(text(area)) passes 4 GiB, where 32-bit BARs end"
        case .beyondAddressBits(let area, let bits):
            "\(text(area)) passes the last guest-physical address of \(bits) bits, \(hexadecimal((1 << UInt64(bits)) - 1))"
        case .buses(let count): "\(count) PCI buses: a machine has 1 to 256"
        case .segments(let count, let buses):
            "\(count) PCI segments with \(buses) buses each do not fit: a machine has 1 to 256 segments, and their configuration space "
                + "(1 MiB for each bus) shares 1004 MiB with the low aperture: choose fewer segments or buses"
        case .noSuchSegment(let segment, let segments):
            "a function is in segment \(segment), but the machine has only segment\(segments == 1 ? " 0" : "s 0 to \(segments - 1)")"
        case .noSuchBus(let bus, let buses):
            "a function is on bus \(bus), but the machine has only bus\(buses == 1 ? " 0" : "es 0 to \(buses - 1)")"
        }
    }

    private func text(_ area: AddressMap.Area) -> String {
        "the \(area.name) at \(area.range)"
    }
}
