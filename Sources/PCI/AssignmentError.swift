import Memslots

/// Why not all BARs and ROMs have a place.
public enum AssignmentError: Error, Hashable, Sendable {
    /// The first that found no place. `asked` is the sum of all that have to lie in the aperture.
    case noSpace(owner: BAROwner, size: UInt64, aperture: String, asked: UInt64, available: UInt64)
    /// A register that was to have an address, or a window with such a register in it, and cannot lie there.
    /// It is no part of the aperture, no multiple of its size, or not free.
    case fixed(owner: BAROwner, base: UInt64, size: UInt64, aperture: ClosedRange<UInt64>)
    /// Bridges whose buses are not their own.
    case bridges(DescriptionError)
}

extension AssignmentError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .bridges(let error): "\(error)"
        case .fixed(let owner, let base, let size, let aperture):
            "\(owner): \(hexadecimal(size)) bytes cannot be at \(hexadecimal(base)): "
                + (owner.register <= .rom && !base.isMultiple(of: size)
                    ? "it begins at a multiple of \(hexadecimal(size))"
                    : !aperture.contains(base) || aperture.upperBound - base < size - 1
                        ? "its aperture is \(hexadecimal(aperture.lowerBound)) to \(hexadecimal(aperture.upperBound))"
                        : "another BAR or window with a chosen address is there, or what an IOMMU keeps for itself")
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
