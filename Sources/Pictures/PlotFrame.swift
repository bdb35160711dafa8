/// The frame of a plot: its heading and legend above, a grid in it, and the words of both axes.
public struct PlotFrame {
    public static let left = 92
    public static let right = SVGCanvas.width - 28
    public static let top = 162
    public static let bottom = 640
    public static let height = 704
    /// The pixels that a word on each axis takes, with those that separate it from the next.
    public static func widthOfWord(_ word: String) -> Int { SVGCanvas.textWidth(word, size: wordSize) + 14 }
    public static func heightOfWord(_: String) -> Int { wordSize + 8 }
    private static let wordSize = 12
    private static let margin = 28
    /// In microseconds: what takes less than the clock can tell stands here.
    public static let shortest = 0.001

    /// Two series never look alike: one is dark and one light, and their dashes and marks have different shapes.
    public enum Series: Int, CaseIterable {
        case first, second

        public var line: String { "c\(rawValue)" }
        public var dashes: String { "c\(rawValue) e\(rawValue)" }
        public var mark: String { "c\(rawValue) f\(rawValue)" }

        /// A mark with a point of the plot in its middle: a disc or a triangle.
        public func mark(_ x: Double, _ y: Double) -> String {
            switch self {
            case .first: "M\(pixels(x - 3.5)) \(pixels(y))a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z"
            case .second: "M\(pixels(x)) \(pixels(y - 4.6))l4.6 8h-9.2z"
            }
        }
    }

    public static let paints = SVGCanvas.Paints(
        styles: """
            .a{stroke:#7b8794}
            .g{stroke:#d3d9e0;shape-rendering:crispEdges}
            .i{stroke:#eceff3;shape-rendering:crispEdges}
            .c0{stroke:#004488;stroke-width:2.4;stroke-linejoin:round}
            .c1{stroke:#d55e00;stroke-width:2.4;stroke-linejoin:round}
            .e0{stroke-width:1.6;stroke-dasharray:9 4}
            .e1{stroke-width:1.6;stroke-dasharray:3 3}
            .f0{stroke-width:1;fill:#004488}
            .f1{stroke-width:1.4;fill:#ffffff;fill-opacity:0}
            text.w{paint-order:stroke;stroke:#ffffff;stroke-width:4px}
            """)

    /// Draws the heading, the grid and the words along both axes.
    public static func draw(
        heading: String, detail: String, x: (lines: [AxisLine], title: String), y: (lines: [AxisLine], title: String),
        on canvas: inout SVGCanvas
    ) {
        let width = SVGCanvas.width - 2 * margin
        canvas.text(heading, x: margin, y: 38, size: 20, style: "h", within: width)
        canvas.text(detail, x: margin, y: 60, size: 13, style: "q", within: width)
        for isLabelled in [false, true] {
            let vertical = x.lines.filter { ($0.words != nil) == isLabelled }
            let horizontal = y.lines.filter { ($0.words != nil) == isLabelled }
            let path =
                vertical.map { "M\(pixels($0.position)) \(top)V\(bottom)" }
                + horizontal.map { "M\(left) \(pixels($0.position))H\(right)" }
            canvas.path(path.joined(), style: isLabelled ? "g" : "i")
        }
        canvas.path("M\(left) \(top)H\(right)V\(bottom)H\(left)z", style: "a")
        for line in x.lines {
            guard let words = line.words else { continue }
            canvas.text(
                words, x: Int(line.position.rounded()), y: bottom + 20, size: wordSize, anchor: .middle, within: 200)
        }
        for line in y.lines {
            guard let words = line.words else { continue }
            canvas.text(
                words, x: left - 8, y: Int(line.position.rounded()) + 4, size: wordSize, anchor: .end,
                within: left - 8)
        }
        canvas.text(y.title, x: margin, y: top - 16, size: 12, style: "q", within: width)
        canvas.text(x.title, x: right, y: bottom + 44, size: 12, style: "q", anchor: .end, within: width)
    }

    /// What a reader has to know, below the plot.
    public static func drawNote(_ words: String, on canvas: inout SVGCanvas) {
        canvas.text(words, x: margin, y: bottom + 44, size: 12, style: "q", within: 860)
    }

    /// What the frame says where nothing was measured.
    public static func drawNothing(_ words: String, on canvas: inout SVGCanvas) {
        canvas.text(
            words, x: (left + right) / 2, y: (top + bottom) / 2, size: 16, style: "q", anchor: .middle,
            within: right - left)
    }

    /// A row of the legend: what the series is, and entries of a sample and its words.
    public struct Legend {
        public var name: String
        public var entries: [Entry]

        public init(name: String, entries: [Entry]) {
            self.name = name
            self.entries = entries
        }

        public struct Entry {
            public enum Sample: Sendable { case line, dashes, mark }

            public var sample: Sample?
            public var words: String

            public init(sample: Sample? = nil, words: String) {
                self.sample = sample
                self.words = words
            }
        }

        public func draw(_ series: Series, on canvas: inout SVGCanvas) {
            let y = 90 + 24 * series.rawValue
            canvas.text(name, x: PlotFrame.margin, y: y, size: 13, style: "h", within: 220)
            for (column, entry) in entries.enumerated() {
                let x = 256 + 196 * column
                switch entry.sample {
                case .line: canvas.path("M\(x) \(y - 4)h34", style: series.line)
                case .dashes: canvas.path("M\(x) \(y - 4)h34", style: series.dashes)
                case .mark: canvas.path(series.mark(Double(x + 26), Double(y - 4)), style: series.mark)
                case nil: break
                }
                canvas.text(entry.words, x: x + 42, y: y, size: 13, within: 150)
            }
        }
    }
}

/// A place on the canvas, to a tenth of a pixel.
public func pixels(_ position: Double) -> String {
    let tenths = Int((position * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(Double(tenths) / 10)"
}
