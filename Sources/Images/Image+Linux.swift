internal import Memslots

extension Image {
    /// Returns the image of a Linux kernel (bzImage). The kernel starts at its 64-bit entry and unpacks itself.
    static func linux(_ bytes: [UInt8]) throws(ImageError) -> Image {
        let header = try LinuxHeader(bytes)
        guard let entry = header.memory.first.advanced(by: LinuxHeader.entry) else {
            preconditionFailure("the memory of a kernel holds its entry")
        }
        var segment = Segment(range: header.memory, bytes: header.payload)
        segment.name = "the kernel (pref_address and init_size)"
        return Image(segments: [segment], entry: entry, mode: .long, format: .linux(header))
    }

    /// Returns the image of an ELF file with an entry for the PVH boot protocol (xen/include/public/arch-x86/hvm/start_info.h
    /// of Xen). The kernel starts there in 32-bit protected mode, whatever the class of the file.
    static func pvh(_ bytes: [UInt8]) throws(ImageError) -> Image {
        let header = try ELFHeader(bytes, isLoader32: true)
        guard let notes = header.pvhNotes(bytes) else { throw .noPVHEntry }
        return try elf(bytes, as: .pvh(isLinux: notes.isLinux), entry: GuestAddress(UInt64(notes.entry)))
    }
}

extension ELFHeader {
    /// Returns the physical address in the note of `Xen` with type 18 (XEN_ELFNOTE_PHYS32_ENTRY), and whether the file also has
    /// notes of `Linux`. Returns nil if the file has no such note of `Xen`.
    func pvhNotes(_ bytes: [UInt8]) -> (entry: UInt32, isLinux: Bool)? {
        var (entry, isLinux) = (UInt32?.none, false)
        // The number of notes until now. Kernels have a few, and the search stops at a limit.
        var notes = 0
        for index in 0..<Int(phnum) {
            guard let segment = try? ELFProgramHeader(bytes, self, index: index) else { return nil }
            guard segment.type == .note, segment.filesz <= UInt64(bytes.count) else { continue }
            var (position, left) = (segment.offset, segment.filesz)
            while left >= 12, notes < 10_000, let note = try? FilePart(bytes, "a note", at: position, count: 12) {
                notes += 1
                let (nameSize, size, type): (UInt32, UInt32, UInt32) = (note[0], note[4], note[8])
                let body = try? FilePart(bytes, "a note", at: position &+ 12, count: 8)
                // The numbers are `Xen` with its terminating zero, and the beginning of `Linux`.
                if type == 18, nameSize == 4, size >= 4, let body, body[0] == UInt32(0x006e_6558) {
                    entry = entry ?? body[4]
                }
                if nameSize == 6, let body, body[0] == UInt32(0x756e_694c) { isLinux = true }
                let length = 12 + (UInt64(nameSize) + 3) / 4 * 4 + (UInt64(size) + 3) / 4 * 4
                guard length <= left else { break }
                (position, left) = (position + length, left - length)
            }
        }
        return entry.map { ($0, isLinux) }
    }
}
