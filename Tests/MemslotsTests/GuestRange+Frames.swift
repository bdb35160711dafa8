import Memslots

extension GuestRange {
    /// `count` pages from guest frame `first` on; a range that does not exist is an error in the test.
    static func frames(_ first: UInt64, _ count: UInt64 = 1) -> GuestRange {
        guard let range = GuestRange(first: GuestAddress(first << Page.shift), size: count << Page.shift) else {
            preconditionFailure("\(count) pages from frame \(first) on are no range")
        }
        return range
    }

    /// From `first` to `last`, in bytes and both included.
    static func bytes(_ first: UInt64, _ last: UInt64) -> GuestRange {
        guard let range = GuestRange(first: GuestAddress(first), last: GuestAddress(last)) else {
            preconditionFailure("\(hexadecimal(last)) lies before \(hexadecimal(first))")
        }
        return range
    }
}
