public import Memslots

/// The parts of guest-physical memory in which devices' memory is mapped.
public enum Apertures {
    /// Below 4 GiB: the hole in the RAM up to the IOAPIC; local APICs and the pages for real mode lie behind it.
    public static let low: GuestRange = {
        guard let range = GuestRange(first: RAMLayout.hole.first, last: GuestAddress(0xfebf_ffff)) else {
            preconditionFailure("the hole is not empty")
        }
        return range
    }()

    /// Above 4 GiB and all RAM: up to 16 TiB, or to the last address that a processor with so many address bits has.
    public static func high(above ram: RAMLayout, addressBits: Int) -> GuestRange? {
        let gigabyte: UInt64 = 1 << 30
        let (end, overflow) = max(ram.end, 4 << 30).addingReportingOverflow(gigabyte - 1)
        guard !overflow, addressBits < 64 else { return nil }
        let first = end / gigabyte * gigabyte
        let last = min((1 << UInt64(addressBits)) - 1, first + (16 << 40) - 1)
        return GuestRange(first: GuestAddress(first), last: GuestAddress(last))
    }
}
