internal import Memslots

/// The first word of a page, by which a guest recognises the page. It is never 0 or all ones.
struct Label {
    let word: UInt32

    init(number: Int) {
        word = 0x5a00_0000 | UInt32(truncatingIfNeeded: number)
    }

    var bytes: [UInt8] { littleEndian(word) }
}

/// Returns the number that lies in memory as these bytes. It is 0 if there are no bytes.
func number(_ bytes: [UInt8]?) -> UInt64 {
    bytes?.reversed().reduce(0) { $0 << 8 | UInt64($1) } ?? 0
}

extension GuestRange {
    /// Returns the page at an address that the experiment itself has chosen.
    static func page(at address: UInt64) -> GuestRange {
        guard let page = GuestRange(first: GuestAddress(address), size: Page.size) else {
            preconditionFailure("\(hexadecimal(address)) begins no page")
        }
        return page
    }
}
