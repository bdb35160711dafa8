/// What a slot costs in kernel memory, predicted from its size alone.
///
/// For each slot KVM keeps arrays of an entry a page, a large page and a huge page, each array in a vmalloc area of its own
/// (`arch/x86/kvm/x86.c`, `kvm_alloc_memslot_metadata`).
public enum Footprint {
    /// How KVM translates guest addresses.
    public enum MMU: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
        /// Shadow page tables: reverse maps and write tracking for each page as well.
        case shadow
        /// Two-dimensional paging (EPT, NPT).
        case tdp
    }

    /// Bytes that KVM takes from vmalloc for a slot of this many pages: what VmallocUsed grows by.
    public static func kernelBytes(pages: UInt64, mmu: MMU) -> UInt64 {
        let large = divideRoundingUp(pages, 512)
        let huge = divideRoundingUp(pages, 512 * 512)
        // lpage_info: 4 bytes for each large and each huge page.
        var bytes = vmallocBytes(4 * large) + vmallocBytes(4 * huge)
        if mmu == .shadow {
            // rmap: a pointer for each page of each size; gfn_track: 2 bytes a page.
            bytes += vmallocBytes(8 * pages) + vmallocBytes(8 * large) + vmallocBytes(8 * huge)
            bytes += vmallocBytes(2 * pages)
        }
        return bytes
    }

    /// The same for all slots of a table.
    public static func kernelBytes(of table: MemslotTable, mmu: MMU) -> UInt64 {
        table.all.reduce(0) { $0 + kernelBytes(pages: $1.pages, mmu: mmu) }
    }

    /// A vmalloc area: whole pages, and an array of pointers to them, which comes from vmalloc too once it is larger than
    /// a page.
    private static func vmallocBytes(_ size: UInt64) -> UInt64 {
        let pages = divideRoundingUp(size, Page.size)
        let pointers = 8 * pages
        return pages * Page.size + (pointers > Page.size ? vmallocBytes(pointers) : 0)
    }

    /// Bytes of a slot table as the kernel had it in 2012, an array of slots, a map from ids to it, and a bitmap: the
    /// accounting with which the growth from 32 slots was discussed.
    ///
    /// A slot took 64 bytes and an index 4; compacted, they were to take 56 and 2.
    public static func fixedTableBytes(slots: Int, privateSlots: Int = 4, slotBytes: Int = 64, indexBytes: Int = 4)
        -> Int
    {
        let count = slots + privateSlots
        return count * (slotBytes + indexBytes) + (count + 63) / 64 * 8
    }

    private static func divideRoundingUp(_ value: UInt64, _ divisor: UInt64) -> UInt64 {
        value / divisor + (value % divisor == 0 ? 0 : 1)
    }
}
