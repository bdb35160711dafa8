/// The first word of a page, by which a guest knows it again; never 0 or all ones.
struct Label {
    let word: UInt32

    init(number: Int) {
        word = 0x5a00_0000 | UInt32(truncatingIfNeeded: number)
    }

    var bytes: [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
}
