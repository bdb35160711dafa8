public import Memslots

/// A part of an image: its place in guest memory, and the bytes of the file that fill the beginning of that place.
public struct Segment: Equatable, Sendable {
    /// The segment's place in guest memory (ELF: `p_paddr` and `p_memsz`).
    public let range: GuestRange
    /// The bytes of the file to copy to the start of `range` (ELF: `p_offset` and `p_filesz`). The rest of `range` is zero.
    public let bytes: Range<Int>
    /// The name of the segment for people, if it has one: the number of an ELF segment and its first section, for example.
    public internal(set) var name: String?
}
