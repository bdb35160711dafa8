public import Memslots

/// A piece of an image: where it lies in guest memory, and which bytes of the file it begins with.
public struct Segment: Equatable, Sendable {
    /// Its place in guest memory (ELF: `p_paddr` and `p_memsz`).
    public let range: GuestRange
    /// The file's bytes to copy to the start of `range` (ELF: `p_offset` and `p_filesz`); the rest of it is zero.
    public let bytes: Range<Int>
    /// The name of the piece for people, if it has one: the segment's number and its first section.
    public internal(set) var name: String?
}
