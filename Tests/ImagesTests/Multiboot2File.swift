/// Builds tiny multiboot 2 kernels, right or wrong, tag by tag.
struct Multiboot2File {
    struct Tag {
        var type: UInt16
        var isOptional = false
        var body: [UInt32] = []
        /// The size to claim, unless it is the real one.
        var size: UInt32?
    }

    var architecture: UInt32 = 0
    var checksum: UInt32?
    var tags: [Tag] = []
    var hasEnd = true
    /// What the file begins with, and what follows the header.
    var lead: [UInt8] = []
    var rest: [UInt8] = [0x90, 0x90, 0xf4]

    /// A good flat file, loaded whole at 1 MiB from its beginning, with zeros behind it up to 1 MiB and 64 KiB.
    static let flat = Multiboot2File(
        tags: [
            Tag(type: 2, body: [0x10_0008, .max, 0, 0x11_0000]), Tag(type: 3, body: [0x10_0048]),
            Tag(type: 1, body: [1, 3, 6]), Tag(type: 6),
        ], lead: [1, 2, 3, 4, 5, 6, 7, 8])

    var header: [UInt8] {
        var body: [UInt8] = []
        for tag in tags + (hasEnd ? [Tag(type: 0)] : []) {
            let size = tag.size ?? UInt32(8 + 4 * tag.body.count)
            body += little([UInt32(tag.type) | (tag.isOptional ? 1 << 16 : 0), size] + tag.body)
            body += [UInt8](repeating: 0, count: (8 - body.count % 8) % 8)
        }
        let length = UInt32(16 + body.count)
        let magic: UInt32 = 0xe852_50d6
        return little([magic, architecture, length, checksum ?? 0 &- magic &- architecture &- length]) + body
    }

    var bytes: [UInt8] { lead + header + rest }

    private func little(_ numbers: [UInt32]) -> [UInt8] {
        numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }
    }
}
