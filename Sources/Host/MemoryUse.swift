/// The host memory behind a range of this process's addresses.
public struct MemoryUse: Hashable, Sendable {
    /// The bytes that are in the host's memory now.
    public private(set) var resident: UInt64 = 0
    /// The part of `resident` that lies in huge pages.
    public private(set) var inHugePages: UInt64 = 0

    /// Asks the kernel (`/proc/self/smaps`). A mapping that overlaps the range counts as a whole.
    public init(from first: UInt64, size: UInt64) throws(HostError) {
        var isInRange = false
        for line in try readTextFile("/proc/self/smaps").split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            let ends = words.first?.split(separator: "-").compactMap { UInt64($0, radix: 16) } ?? []
            if ends.count == 2 {
                isInRange = ends[0] < first + size && first < ends[1]
            } else if isInRange, words.count == 3, let kibibytes = UInt64(words[1]) {
                switch words[0] {
                case "Rss:": resident += kibibytes << 10
                case "AnonHugePages:", "ShmemPmdMapped:": inHugePages += kibibytes << 10
                default: break
                }
            }
        }
    }
}
