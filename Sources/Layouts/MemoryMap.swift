public import Memslots
internal import PCI

/// Who has which part of guest-physical memory.
public enum MemoryMap {
    /// Configuration space of 256 buses (PCIe, 7.2.2), at the beginning of the hole in the RAM.
    public static let ecam = range(RAMLayout.hole.first.rawValue, size: RootComplex.ecamSize)

    /// Device memory below 4 GiB, from configuration space to the IOAPIC; local APICs and the pages for real mode lie behind
    /// it.
    public static let lowAperture = range(
        ecam.last.rawValue + 1, size: 0xfec0_0000 - (ecam.last.rawValue + 1))

    /// From the IOAPIC up to 4 GiB: nothing is mapped there.
    public static let interruptControllers = range(0xfec0_0000, size: (4 << 30) - 0xfec0_0000)

    /// Device memory above 4 GiB and all RAM: up to 16 TiB, or to the last address that a processor with so many address
    /// bits has; nil where that leaves none.
    public static func highAperture(above ram: RAMLayout, addressBits: Int) -> GuestRange? {
        let gigabyte: UInt64 = 1 << 30
        let (end, overflow) = max(ram.end, 4 << 30).addingReportingOverflow(gigabyte - 1)
        guard !overflow, addressBits < 64 else { return nil }
        let first = end / gigabyte * gigabyte
        let last = min((1 << UInt64(addressBits)) - 1, first + (16 << 40) - 1)
        return GuestRange(first: GuestAddress(first), last: GuestAddress(last))
    }

    private static func range(_ first: UInt64, size: UInt64) -> GuestRange {
        guard let range = GuestRange(first: GuestAddress(first), size: size) else {
            preconditionFailure("\(first) and \(size) are constants")
        }
        return range
    }

    /// The parts of guest-physical memory that have a purpose, by address: what is there on every machine, and what one with
    /// functions has beside it.
    public static func areas(hasFunctions: Bool, highAperture: GuestRange?) -> [MemoryDescription.Area] {
        var areas: [MemoryDescription.Area] = []
        func add(_ name: String, _ range: GuestRange?) {
            if let range {
                areas.append(MemoryDescription.Area(name: name, range: range))
            }
        }
        add("RAM below 3 GiB", GuestRange(first: GuestAddress(0), size: RAMLayout.hole.first.rawValue))
        if hasFunctions {
            add("configuration space (ECAM)", ecam)
        }
        add("low aperture", lowAperture)
        add("interrupt controllers", interruptControllers)
        let behindHole = GuestAddress(RAMLayout.hole.last.rawValue + 1)
        if let high = highAperture, high.first > behindHole {
            add("RAM from 4 GiB on", GuestRange(first: behindHole, last: GuestAddress(high.first.rawValue - 1)))
        }
        if hasFunctions {
            add("high aperture", highAperture)
        }
        return areas
    }
}
