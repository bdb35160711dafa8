public import Memslots

/// Why not all BARs and ROMs have a place.
public enum AssignmentError: Error, Hashable, Sendable {
    case lowApertureAbove4GiB(GuestRange)
    /// The first that found no place. `asked` is the sum of all that have to lie in the aperture.
    case noSpace(owner: BAROwner, size: UInt64, aperture: String, asked: UInt64, available: UInt64)
}

extension AssignmentError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .lowApertureAbove4GiB(let range):
            "low aperture \(range): 32-bit BARs reach 0xffffffff, choose one below"
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
