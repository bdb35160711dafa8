/// The text screen of a PC: 25 rows of 80 characters. A character has a byte in code page 437 and a byte for its colours.
public enum TextScreen {
    /// The bytes of the screen's memory.
    public static let size = columns * rows * 2
    private static let columns = 80
    private static let rows = 25

    /// The characters that code page 437 has from 0x80 on.
    private static let upperHalf = Array(
        "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}"
    )

    /// Returns the text on a screen, without blanks at the ends of rows and without empty rows at the end. Returns nil if the
    /// screen is empty, or if the bytes are not text. They may be something else, because a guest may use this memory as it likes.
    public static func text(of bytes: [UInt8]) -> String? {
        guard bytes.count == size else { return nil }
        var lines: [String] = []
        for row in 0..<rows {
            var line = ""
            for column in 0..<columns {
                let byte = bytes[(row * columns + column) * 2]
                switch byte {
                case 0: line.append(" ")
                case 0x20..<0x7f: line.append(Character(Unicode.Scalar(byte)))
                case 0x80...: line.append(upperHalf[Int(byte - 0x80)])
                default: return nil
                }
            }
            lines.append(String(line.reversed().drop { $0 == " " }.reversed()))
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines.isEmpty ? nil : lines.joined(separator: "\n")
    }
}
