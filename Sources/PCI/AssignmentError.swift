import Memslots

/// The reason why not every BAR and ROM can have an address.
public enum AssignmentError: Error, Hashable, Sendable {
    /// The first BAR, ROM or window that found no room. `asked` is the sum of the sizes of everything that has to lie in the
    /// aperture. If a function is added to others, it is the size of this BAR, ROM or window alone. All sizes are in bytes.
    case noSpace(owner: BAROwner, size: UInt64, aperture: String, asked: UInt64, available: UInt64)
    /// A register with a chosen address, or a window with such a register in it, that cannot lie there. The range is outside of the
    /// aperture, it does not begin at a multiple of its size, or it is not free.
    case fixed(owner: BAROwner, base: UInt64, size: UInt64, aperture: ClosedRange<UInt64>)
    /// Bridges that share buses, or other mistakes in the tree of bridges.
    case bridges(DescriptionError)
}

extension AssignmentError: CustomStringConvertible {
    /// The register, its size or address, and the reason why the register cannot have it.
    public var description: String {
        switch self {
        case .bridges(let error): "\(error)"
        case .fixed(let owner, let base, let size, let aperture):
            "\(owner): \(sizeText(size)) cannot be at \(hexadecimal(base)): "
                + (owner.register <= .rom && !base.isMultiple(of: size)
                    ? "it begins at a multiple of \(sizeText(size))"
                    : !aperture.contains(base) || aperture.upperBound - base < size - 1
                        ? "its aperture is \(hexadecimal(aperture.lowerBound)) to \(hexadecimal(aperture.upperBound))"
                        : "the range overlaps another BAR or window, or a range that an IOMMU reserves")
        case .noSpace(let owner, let size, let aperture, let asked, let available):
            "\(owner): no room for \(sizeText(size)) in the \(aperture) aperture, which has "
                + "\(sizeText(available)) for all BARs that need \(sizeText(asked))"
                + (asked > available
                    ? ""
                    : ", but no free block of that size at a multiple of \(sizeText(size)), where such a BAR must begin")
                + (aperture == "high"
                    ? ": choose a larger high aperture (by default it ends at the highest guest-physical address, at most 16T above its start)"
                    : ": use fewer or smaller BARs")
        }
    }
}
