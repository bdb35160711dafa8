/// An SVG document that is being drawn, in pixels. Classes give shapes their colours. Each text has a size, and is cut short if it
/// does not fit into a width.
public struct SVGCanvas {
    /// The width of every document.
    public static let width = 1280

    /// The part of a text that lies at the text's x.
    public enum Anchor: Sendable {
        /// The text's beginning, its middle or its end.
        case start, middle, end
    }

    private var elements: [String] = []

    /// Creates an empty document.
    public init() {}

    /// Draws a rectangle of the class `style`.
    public mutating func rect(_ x: Int, _ y: Int, _ width: Int, _ height: Int, style: String, tooltip: String? = nil) {
        let place = "x=\"\(x)\" y=\"\(y)\" width=\"\(width)\" height=\"\(height)\""
        add("rect", "class=\"\(style)\" \(place)", tooltip)
    }

    /// Draws a path of the class `style`, unless the path is empty.
    public mutating func path(_ path: String, style: String, tooltip: String? = nil) {
        guard !path.isEmpty else { return }
        add("path", "class=\"\(style)\" d=\"\(path)\"", tooltip)
    }

    private mutating func add(_ shape: String, _ attributes: String, _ tooltip: String?) {
        let end = tooltip.map { "><title>\(Self.escaped($0))</title></\(shape)>" } ?? "/>"
        elements.append("<\(shape) \(attributes)\(end)")
    }

    /// Draws a line of text. A text that does not fit into the width ends in an ellipsis.
    public mutating func text(
        _ string: String, x: Int, y: Int, size: Int, style: String = "", anchor: Anchor = .start, within width: Int
    ) {
        guard !string.isEmpty else { return }
        let most = width * 100 / (size * (style == "h" ? 68 : 60))
        let line = string.count > most ? string.prefix(max(0, most - 1)) + "…" : string[...]
        let style = style.isEmpty ? "" : " class=\"\(style)\""
        let place = "x=\"\(x)\" y=\"\(y)\" font-size=\"\(size)\""
        let anchoring = anchor == .start ? "" : " text-anchor=\"\(anchor)\""
        elements.append("<text\(style) \(place)\(anchoring)>\(Self.escaped(line))</text>")
    }

    /// Returns an estimate of the width of a text. No common font is wider on average.
    public static func textWidth(_ string: String, size: Int) -> Int {
        (string.count * size * 6 + 9) / 10
    }

    /// Returns a text in which the characters that XML does not take are escaped. Control characters become spaces, except for
    /// those that XML can name.
    public static func escaped(_ text: some StringProtocol) -> String {
        let entities: [Unicode.Scalar: String] = ["<": "&lt;", ">": "&gt;", "&": "&amp;", "\"": "&quot;", "\n": "\n"]
        return text.unicodeScalars.map { scalar in
            if (0x7f...0x9f).contains(scalar.value) { return "&#\(scalar.value);" }
            let isText = scalar >= " " && scalar != "\u{fffe}" && scalar != "\u{ffff}"
            return entities[scalar] ?? (isText ? String(scalar) : " ")
        }.joined()
    }

    /// Returns the whole document.
    ///
    /// - Parameters:
    ///   - styles: The style rules, in addition to those that all drawings have.
    ///   - dark: The style rules that are added if the reader prefers dark colours.
    ///   - definitions: The elements that the rules refer to.
    ///   - isScaled: Whether the drawing is as wide as what shows it, and not `width` pixels.
    public func document(
        title: String, height: Int, styles: String, dark: String = "", definitions: String = "", isScaled: Bool = false
    ) -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" \
        \(isScaled ? "width=\"100%\"" : "width=\"\(Self.width)\" height=\"\(height)\"") \
        viewBox="0 0 \(Self.width) \(height)">
        <title>\(Self.escaped(title))</title>
        <style>
        text{font-family:"DejaVu Sans",Verdana,Arial,sans-serif;fill:#1f2933}
        text.m{font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace}
        text.h{font-weight:bold} text.q{fill:#52606d} path{fill:none}
        .paper{fill:#fff}
        \(styles)
        \(dark.isEmpty ? "" : Self.darkRules(dark))
        </style>
        <defs>\(definitions)</defs>
        <rect width="100%" height="100%" class="paper"/>
        \(elements.joined(separator: "\n"))
        </svg>

        """
    }

    private static func darkRules(_ rules: String) -> String {
        "@media (prefers-color-scheme:dark){.paper{fill:#14191f} text{fill:#e4e7eb} text.q{fill:#9aa5b1}\n\(rules)}"
    }
}
