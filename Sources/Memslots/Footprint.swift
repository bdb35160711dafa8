/// The kernel memory that a slot takes, predicted from the slot's size alone.
///
/// For each slot KVM keeps arrays with an entry for each 4 KiB page, each 2 MiB page and each 1 GiB page. Each array lies in a
/// vmalloc area of its own (`arch/x86/kvm/x86.c`, `kvm_alloc_memslot_metadata`).
public enum Footprint {
    /// How KVM translates guest addresses.
    public enum MMU: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
        /// Shadow page tables. They need reverse maps, and a write tracking count for each page, as well.
        case shadow
        /// Two-dimensional paging (EPT, NPT).
        case tdp
    }

    /// Returns the bytes by which a slot of `pages` pages makes the kernel's VmallocUsed grow.
    public static func kernelBytes(pages: UInt64, mmu: MMU) -> UInt64 {
        let large = divideRoundingUp(pages, 512)
        let huge = divideRoundingUp(pages, 512 * 512)
        // lpage_info: 4 bytes for each 2 MiB page and each 1 GiB page.
        var bytes = vmallocBytes(4 * large) + vmallocBytes(4 * huge)
        if mmu == .shadow {
            // rmap: a pointer for each page of each size. gfn_track: 2 bytes for each 4 KiB page.
            bytes += vmallocBytes(8 * pages) + vmallocBytes(8 * large) + vmallocBytes(8 * huge)
            bytes += vmallocBytes(2 * pages)
        }
        return bytes
    }

    /// Returns the bytes by which all slots of a table make the kernel's VmallocUsed grow.
    public static func kernelBytes(of table: MemslotTable, mmu: MMU) -> UInt64 {
        table.all.reduce(0) { $0 + kernelBytes(pages: $1.pages, mmu: mmu) }
    }

    /// Returns the size of a vmalloc area: whole pages, and an array of pointers to them. An array of more than a page comes from
    /// vmalloc too.
    private static func vmallocBytes(_ size: UInt64) -> UInt64 {
        let pages = divideRoundingUp(size, Page.size)
        let pointers = 8 * pages
        return pages * Page.size + (pointers > Page.size ? vmallocBytes(pointers) : 0)
    }

    /// Returns the bytes of a slot table as the kernel had it in 2012: an array of slots, a map from ids to slots, and a bitmap.
    /// When kernel developers discussed whether to allow more than 32 slots, they counted in this way.
    ///
    /// A slot took 64 bytes and an entry of the map 4. A compacted table was to take 56 and 2.
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
