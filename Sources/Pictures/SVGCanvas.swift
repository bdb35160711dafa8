/// SVG as it is drawn, in pixels: shapes are painted by classes, texts say their size and fit into a width.
public struct SVGCanvas {
    public static let width = 1280

    /// Hues for functions, which those who see fewer colours tell apart too (after Paul Tol); neighbours differ in lightness.
    public static let hues = ["#4477aa", "#ccbb44", "#aa3377", "#66ccee", "#228833", "#ee6677"]

    public enum Anchor: String {
        case start, middle, end
    }

    private var elements: [String] = []

    public init() {}

    // MARK: - Shapes

    public mutating func rect(
        _ x: Int, _ y: Int, _ width: Int, _ height: Int, style: String, radius: Int = 0, tooltip: String? = nil
    ) {
        let rounding = radius > 0 ? " rx=\"\(radius)\"" : ""
        let start = "<rect class=\"\(style)\" x=\"\(x)\" y=\"\(y)\" width=\"\(width)\" height=\"\(height)\"\(rounding)"
        elements.append(start + (tooltip.map { "><title>\(Self.escaped($0))</title></rect>" } ?? "/>"))
    }

    public mutating func path(_ path: String, style: String, tooltip: String? = nil) {
        guard !path.isEmpty else { return }
        let start = "<path class=\"\(style)\" d=\"\(path)\""
        elements.append(start + (tooltip.map { "><title>\(Self.escaped($0))</title></path>" } ?? "/>"))
    }

    /// A line of text; what does not fit ends in an ellipsis.
    public mutating func text(
        _ string: String, x: Int, y: Int, size: Int, style: String = "", anchor: Anchor = .start, within width: Int
    ) {
        let most = Self.characters(of: size, style: style, within: width)
        let line = string.count > most ? string.prefix(max(0, most - 1)) + "…" : string[...]
        let style = style.isEmpty ? "" : " class=\"\(style)\""
        let anchoring = anchor == .start ? "" : " text-anchor=\"\(anchor.rawValue)\""
        elements.append(
            "<text\(style) x=\"\(x)\" y=\"\(y)\" font-size=\"\(size)\"\(anchoring)>\(Self.escaped(line))</text>")
    }

    /// Draws all of another canvas over this one.
    public mutating func append(_ canvas: SVGCanvas) {
        elements += canvas.elements
    }

    /// Two strokes that say: addresses are left out here; 10 wide, 13 high.
    public static func breakMark(x: Int, y: Int) -> String {
        "M\(x) \(y + 13)l5 -13M\(x + 5) \(y + 13)l5 -13"
    }

    // MARK: - Text

    /// An estimate of its width: no common font is wider on average.
    public static func textWidth(_ string: String, size: Int) -> Int {
        (string.count * size * 6 + 9) / 10
    }

    private static func characters(of size: Int, style: String, within width: Int) -> Int {
        width * 100 / (size * (style == "h" ? 68 : 60))
    }

    /// As many words as fit into a first line, and the rest.
    public static func inTwoLines(_ string: String, size: Int, within width: Int) -> [String] {
        let most = characters(of: size, style: "h", within: width)
        guard string.count > most, let space = string.prefix(most + 1).lastIndex(of: " ") else { return [string] }
        return [String(string[..<space]), String(string[string.index(after: space)...])]
    }

    /// Text as XML has it; control characters, which XML does not have at all, become spaces.
    public static func escaped(_ text: some StringProtocol) -> String {
        text.unicodeScalars.reduce(into: "") { escaped, scalar in
            switch scalar {
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "&": escaped += "&amp;"
            case "\"": escaped += "&quot;"
            case "\n": escaped += "\n"
            case "\u{0}"..<" ", "\u{fffe}", "\u{ffff}": escaped += " "
            default: escaped.unicodeScalars.append(scalar)
            }
        }
    }

    // MARK: - Document

    /// What a kind of drawing adds to the classes that all have: styles, and patterns to fill with.
    public struct Paints: Sendable {
        public var styles: String
        public var patterns: String

        public init(styles: String, patterns: String = "") {
            self.styles = styles
            self.patterns = patterns
        }

        /// For maps of memory.
        public static let map = Paints(styles: mapStyles, patterns: mapPatterns)
    }

    public func document(title: String, height: Int, paints: Paints = .map) -> String {
        let size = "width=\"\(Self.width)\" height=\"\(height)\" viewBox=\"0 0 \(Self.width) \(height)\""
        let definitions = paints.patterns.isEmpty ? "" : "\n<defs>\n\(paints.patterns)\n</defs>"
        return """
            <svg xmlns="http://www.w3.org/2000/svg" \(size)>
            <title>\(Self.escaped(title))</title>
            <style>
            \(Self.styles)
            \(paints.styles)
            </style>\(definitions)
            <rect width="100%" height="100%" fill="#ffffff"/>
            \(elements.joined(separator: "\n"))
            </svg>

            """
    }

    private static let styles = """
        text{font-family:"DejaVu Sans",Verdana,Arial,sans-serif;fill:#1f2933}
        text.h{font-weight:bold}
        text.m{font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace}
        text.q{fill:#52606d}
        path{fill:none}
        """

    private static var mapStyles: String {
        let fixed = """
            .p{fill:#f7f9fb;stroke:#cbd2d9}
            .v{fill:#ffffff;stroke:#cbd2d9}
            .l{stroke:#e4e7eb}
            .s{stroke:#1f2933;stroke-width:3}
            .k{stroke:#7b8794;stroke-width:1.2}
            .d{stroke-dasharray:2 4}
            .ram{fill:#8794a3}
            .x{fill:#3e4c59}
            .z{fill-opacity:0}
            """
        let hued = hues.enumerated().map { hue, color in
            """
            .b\(hue){fill:\(color)}
            .o\(hue){fill:url(#o\(hue));stroke:\(color)}
            .t\(hue){fill:url(#t\(hue));stroke:\(color);stroke-dasharray:2 2}
            """
        }
        return ([fixed] + hued + ["rect.n{stroke:none}"]).joined(separator: "\n")
    }

    /// ROMs have horizontal stripes, trapped pieces thin diagonal ones.
    private static var mapPatterns: String {
        hues.enumerated().map { hue, color in
            """
            <pattern id="o\(hue)" width="4" height="4" patternUnits="userSpaceOnUse"><rect width="4" height="4" \
            fill="#ffffff"/><rect width="4" height="2.5" fill="\(color)"/></pattern>
            <pattern id="t\(hue)" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" \
            fill="#ffffff"/><path d="M-1 1l2 -2M0 5l5 -5M4 6l2 -2" stroke="\(color)"/></pattern>
            """
        }.joined(separator: "\n")
    }
}
