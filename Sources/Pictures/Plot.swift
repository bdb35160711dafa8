/// A plot of one or two series over two logarithmic axes.
public struct Plot {
    /// A row of the legend, with the traces that its entries explain.
    public typealias Series = (name: String, traces: [Trace])
    /// Points that are drawn in one way, and the words of their entry in the legend. The words are nil if the trace has no entry.
    public typealias Trace = (shape: Shape, legend: String?, points: [Point])
    /// The way in which points are drawn. A trace of the shape `words` is an entry of the legend without a sample.
    public enum Shape: Sendable {
        /// Points that are joined by a line or by dashes, points with a mark each, or words alone.
        case line, dashes, marks, words
    }

    let title, detail, note, nothing: String
    let x, y: Axis
    let series: [Series]

    /// Creates a plot.
    ///
    /// - Parameters:
    ///   - detail: The words below the title.
    ///   - note: The words below the plot.
    ///   - nothing: The words in the plot if no series has a point.
    public init(
        title: String, detail: String, note: String = "", nothing: String = "", x: Axis, y: Axis, series: [Series]
    ) {
        (self.title, self.detail, self.note, self.nothing) = (title, detail, note, nothing)
        (self.x, self.y, self.series) = (x, y, series)
    }

    /// The title, words and extent of a logarithmic axis.
    public struct Axis {
        let title: String
        let words: (LogTick) -> String?
        let margin: Double
        let including: [Double]

        /// Creates the description of an axis.
        ///
        /// - Parameters:
        ///   - words: The words of a tick that has room for them.
        ///   - margin: The share of the axis that stays free at both ends.
        ///   - including: Numbers that the axis shows even if no point has them.
        public init(
            _ title: String, words: @escaping (LogTick) -> String?, margin: Double = 0, including: [Double] = []
        ) {
            (self.title, self.words, self.margin, self.including) = (title, words, margin, including)
        }
    }

    /// A point of a trace.
    public struct Point {
        /// The numbers at which the point lies on the axes.
        public let x, y: Double
        let tooltip, label: String?

        /// Creates a point.
        ///
        /// - Parameters:
        ///   - tooltip: The words that appear at the mark of the point.
        ///   - label: The words that are drawn beside the point.
        public init(_ x: Double, _ y: Double, tooltip: String? = nil, label: String? = nil) {
            (self.x, self.y, self.tooltip, self.label) = (x, y, tooltip, label)
        }
    }

    // MARK: - Drawing

    static let (left, right, top, bottom) = (92, SVGCanvas.width - 28, 162, 640)
    private static let (margin, wordSize) = (28, 12)
    private typealias Place = (x: Double, y: Double)

    /// The plot as an SVG document.
    public var text: String { text(origin: "") }

    /// Returns the plot as an SVG document.
    ///
    /// - Parameters:
    ///   - origin: The line at the foot, which says where and when the numbers were measured. If it is empty, there is no such line.
    ///   - title: A title in place of the plot's own.
    public func text(origin: String, title: String? = nil) -> String {
        let title = title ?? self.title
        var canvas = SVGCanvas()
        let points = series.flatMap(\.traces).flatMap(\.points)
        let horizontal = LogAxis(points.map(\.x) + x.including, margin: x.margin, at: Self.left, Self.right)
        let vertical = LogAxis(points.map(\.y) + y.including, margin: y.margin, at: Self.bottom, Self.top)
        let place = { (point: Point) -> Place in (horizontal.position(of: point.x), vertical.position(of: point.y)) }
        let (width, foot) = (SVGCanvas.width - 2 * Self.margin, Self.bottom + 44)
        canvas.text(title, x: Self.margin, y: 38, size: 20, style: "h", within: width)
        canvas.text(detail, x: Self.margin, y: 60, size: 13, style: "q", within: width)
        canvas.text(y.title, x: Self.margin, y: Self.top - 16, size: 12, style: "q", within: width)
        canvas.text(x.title, x: Self.right, y: foot, size: 12, style: "q", anchor: .end, within: width)
        canvas.text(note, x: Self.margin, y: foot, size: 12, style: "q", within: 860)
        canvas.text(origin, x: Self.margin, y: foot + 22, size: 11, style: "q", within: width)
        drawGrid(horizontal, vertical, on: &canvas)
        for (number, series) in series.enumerated() {
            drawLegend(series, number, on: &canvas)
            for trace in series.traces {
                Self.draw(trace.shape, number, at: trace.points.map(place), trace.points, on: &canvas)
            }
        }
        let (center, middle) = ((Self.left + Self.right) / 2, (Self.top + Self.bottom) / 2)
        let words = points.isEmpty ? nothing : ""
        canvas.text(words, x: center, y: middle, size: 16, style: "q", anchor: .middle, within: width)
        drawLabels(of: points, place, on: &canvas)
        return canvas.document(
            title: title, height: Self.bottom + (origin.isEmpty ? 64 : 84), styles: Self.styles, dark: Self.darkStyles,
            isScaled: true)
    }

    /// Draws the words beside points. If several points with labels have the same height, only the label of the last one is on the
    /// right.
    private func drawLabels(of points: [Point], _ place: (Point) -> Place, on canvas: inout SVGCanvas) {
        let labelled = points.filter { $0.label != nil }.sorted { ($0.y, $0.x) < ($1.y, $1.x) }
        for (index, point) in labelled.enumerated() {
            let isLeft = labelled.dropFirst(index + 1).first?.y == point.y
            let (x, y) = (Int(place(point).x.rounded()), Int(place(point).y.rounded()))
            canvas.text(
                point.label ?? "", x: x + (isLeft ? -10 : 10), y: y + (isLeft ? -7 : 17), size: 13, style: "w",
                anchor: isLeft ? .end : .start, within: 150)
        }
    }

    /// Draws the lines and words of both axes. Lines without words are fainter.
    private func drawGrid(_ horizontal: LogAxis, _ vertical: LogAxis, on canvas: inout SVGCanvas) {
        let (left, right, top, bottom, size) = (Self.left, Self.right, Self.top, Self.bottom, Self.wordSize)
        for (position, words) in horizontal.lines(words: x.words, room: { SVGCanvas.textWidth($0, size: size) + 14 }) {
            let x = Int(position.rounded())
            canvas.path("M\(x) \(top)V\(bottom)", style: words == nil ? "i" : "g")
            canvas.text(words ?? "", x: x, y: bottom + 20, size: size, anchor: .middle, within: 200)
        }
        for (position, words) in vertical.lines(words: y.words, room: { _ in size + 8 }) {
            let y = Int(position.rounded())
            canvas.path("M\(left) \(y)H\(right)", style: words == nil ? "i" : "g")
            canvas.text(words ?? "", x: left - 8, y: y + 4, size: size, anchor: .end, within: left - 8)
        }
        canvas.path("M\(left) \(top)H\(right)V\(bottom)H\(left)z", style: "a")
    }

    private func drawLegend(_ series: Series, _ number: Int, on canvas: inout SVGCanvas) {
        // A trace without points has nothing to explain.
        let traces = series.traces.filter { $0.legend != nil && (!$0.points.isEmpty || $0.shape == .words) }
        guard !traces.isEmpty else { return }
        let y = 90 + 24 * number
        canvas.text(series.name, x: Self.margin, y: y, size: 13, style: "h", within: 220)
        for (column, trace) in traces.enumerated() {
            let x = 256 + 196 * column
            let sample = trace.shape == .marks ? [26] : trace.shape == .words ? [] : [0, 34]
            let places = sample.map { (x: Double(x + $0), y: Double(y - 4)) }
            Self.draw(trace.shape, number, at: places, [Point(0, 0)], on: &canvas)
            canvas.text(trace.legend ?? "", x: x + 42, y: y, size: 13, within: 150)
        }
    }

    /// Draws a line through the places, or a mark at each place with the tooltip of its point. The marks of the first series are
    /// discs, and those of the second series are triangles.
    private static func draw(
        _ shape: Shape, _ number: Int, at places: [Place], _ points: [Point], on canvas: inout SVGCanvas
    ) {
        let style = "\(shape)\(number)"
        guard shape == .marks else { return canvas.path(line(through: places), style: style) }
        for (point, (x, y)) in zip(points, places) {
            let disc = "M\(pixels(x - 3.5)) \(pixels(y))a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z"
            let triangle = "M\(pixels(x)) \(pixels(y - 4.6))l4.6 8h-9.2z"
            canvas.path(number == 0 ? disc : triangle, style: style, tooltip: point.tooltip)
        }
    }

    /// Returns a path through places. Places that are less than a pixel from the last one on the path are left out, except the last
    /// place of all.
    private static func line(through places: [Place]) -> String {
        var (path, before) = ("", Place(-1, -1))
        for (index, place) in places.enumerated() {
            let isNear = abs(place.x - before.x) < 1 && abs(place.y - before.y) < 1
            guard !isNear || index + 1 == places.count else { continue }
            path += "\(path.isEmpty ? "M" : "L")\(pixels(place.x)) \(pixels(place.y))"
            before = place
        }
        return path
    }

    /// Returns a position on the canvas, rounded to a tenth of a pixel.
    private static func pixels(_ position: Double) -> Double { (position * 10).rounded() / 10 }

    /// The style rules. Two series never look alike: one is dark and one light, and their dashes and marks have different shapes.
    private static let styles = """
        .a{stroke:#7b8794} .g,.i{stroke:#d3d9e0;shape-rendering:crispEdges} .i{stroke:#eceff3}
        .line0,.dashes0,.marks0{stroke:#004488} .line1,.dashes1,.marks1{stroke:#d55e00}
        .line0,.line1{stroke-width:2.4;stroke-linejoin:round}
        .dashes0{stroke-width:1.6;stroke-dasharray:9 4} .dashes1{stroke-width:1.6;stroke-dasharray:3 3}
        .marks0{fill:#004488} .marks1{stroke-width:1.4;fill:#ffffff;fill-opacity:0}
        text.w{paint-order:stroke;stroke:#ffffff;stroke-width:4px}
        """

    /// The style rules that differ in a viewer that asks for dark drawings.
    private static let darkStyles = """
        .g{stroke:#3e4c59} .i{stroke:#262f39} text.w{stroke:#14191f}
        .line0,.dashes0,.marks0{stroke:#6cb2ff} .line1,.dashes1,.marks1{stroke:#ff9447} .marks0{fill:#6cb2ff}
        """
}
