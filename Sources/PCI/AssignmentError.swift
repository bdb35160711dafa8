public import Memslots

/// Why not all BARs and ROMs have a place.
public enum AssignmentError: Error, Hashable, Sendable {
    case lowApertureAbove4GiB(GuestRange)
    /// The first that found no place. `asked` is the sum of all that have to lie in the aperture.
    case noSpace(owner: BAROwner, size: UInt64, aperture: String, asked: UInt64, available: UInt64)
    /// A register that was to have an address, or a window with such a register in it, and cannot lie there.
    case fixed(owner: BAROwner, base: UInt64, size: UInt64, FixedObstacle)
    /// Bridges whose buses are not their own.
    case bridges(DescriptionError)
}

/// Why nothing can be at an address that was chosen for it.
public enum FixedObstacle: Hashable, Sendable {
    /// The address is no multiple of the size.
    case misaligned(UInt64)
    /// The aperture, of which it is no part.
    case outside(ClosedRange<UInt64>)
    /// Something else with an address of its own is there, or addresses that an IOMMU keeps.
    case taken
}

extension FixedObstacle: CustomStringConvertible {
    public var description: String {
        switch self {
        case .misaligned(let size): "it begins at a multiple of \(hexadecimal(size))"
        case .outside(let aperture):
            "its aperture is \(hexadecimal(aperture.lowerBound)) to \(hexadecimal(aperture.upperBound))"
        case .taken: "another BAR or window with a chosen address is there, or what an IOMMU keeps for itself"
        }
    }
}

extension AssignmentError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .lowApertureAbove4GiB(let range):
            "low aperture \(range): 32-bit BARs reach 0xffffffff, choose one below"
        case .bridges(let error): "\(error)"
        case .fixed(let owner, let base, let size, let obstacle):
            "\(owner): \(hexadecimal(size)) bytes cannot be at \(hexadecimal(base)): \(obstacle)"
        case .noSpace(let owner, let size, let aperture, let asked, let available):
            "\(owner): no room for \(hexadecimal(size)) bytes in the \(aperture) aperture, which has "
                + "\(hexadecimal(available)) bytes for \(hexadecimal(asked))"
                + (asked > available
                    ? ""
                    : ", but not so many behind a multiple of \(hexadecimal(size)), where a BAR of this size begins")
                + (aperture == "high"
                    ? ": unless it is chosen, it ends at the highest guest-physical address, or 16T above its start"
                    : ": use fewer or smaller BARs")
        }
    }
}
