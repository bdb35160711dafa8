public import Memslots

/// Why not all BARs and ROMs have a place.
public enum AssignmentError: Error, Hashable, Sendable {
    case lowApertureAbove4GiB(GuestRange)
    /// The first that found no place. `asked` is the sum of all that have to lie in the aperture.
    case noSpace(owner: BAROwner, size: UInt64, aperture: String, asked: UInt64, available: UInt64)
    /// A register that was to have an address, or a window with such a register in it, and cannot lie there.
    case fixed(owner: BAROwner, base: UInt64, size: UInt64)
    /// Bridges whose buses are not their own.
    case bridges(DescriptionError)
}

extension AssignmentError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .lowApertureAbove4GiB(let range):
            "low aperture \(range): 32-bit BARs reach 0xffffffff, choose one below"
        case .bridges(let error): "\(error)"
        case .fixed(let owner, let base, let size):
            "\(owner): \(hexadecimal(size)) bytes cannot be at \(hexadecimal(base)): a BAR begins at a multiple of its size, in an "
                + "aperture, and what has a fixed address shares no addresses with another such BAR or window"
        case .noSpace(let owner, let size, let aperture, let asked, let available):
            "\(owner): no room for \(hexadecimal(size)) bytes in the \(aperture) aperture, which has "
                + "\(hexadecimal(available)) bytes for \(hexadecimal(asked))"
                + (asked > available
                    ? ""
                    : ", but not so many behind a multiple of \(hexadecimal(size)), where a BAR of this size begins")
                + (aperture == "high"
                    ? ": it ends at the highest guest-physical address, or 16T above its start"
                    : ": use fewer or smaller BARs")
        }
    }
}
