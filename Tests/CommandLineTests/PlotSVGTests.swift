import Laboratory
import Testing

@testable import Pictures
@testable import swiftlet

@Suite("Plots of latencies")
struct PlotSVGTests {
    @Test("are well-formed, small, and lie on the canvas", arguments: PlotSample.all)
    func drawing(sample: PlotSample) throws {
        for drawing in sample.drawings {
            let elements = try SVGElement.all(in: drawing)
            let canvas = try #require(elements.first.flatMap { Box(shape: $0) })
            #expect(elements.first?.name == "svg" && elements.first?.attributes["width"] == "100%")
            #expect(elements.contains { $0.name == "text" && $0.text == sample.name })
            #expect(drawing.utf8.count < 60_000)
            #expect(!drawing.contains("nan") && !drawing.contains("inf"))
            for text in elements where text.name == "text" {
                #expect(canvas.contains(try #require(Box(text: text))), "\(text)")
            }
        }
    }

    @Test("keep every line and every mark in the frame", arguments: PlotSample.all)
    func insideFrame(sample: PlotSample) throws {
        for drawing in sample.drawings {
            let curves = try SVGElement.all(in: drawing).filter { $0.name == "path" && $0.isCurve }
            for curve in curves {
                for place in try curve.places() {
                    #expect((Double(Plot.left) - 5...Double(Plot.right) + 5).contains(place.x), "\(curve)")
                    #expect((Double(Plot.top) - 5...Double(Plot.bottom) + 5).contains(place.y), "\(curve)")
                }
            }
        }
    }

    @Test("have no words over others", arguments: PlotSample.all)
    func words(sample: PlotSample) throws {
        for drawing in sample.drawings {
            let texts = try SVGElement.all(in: drawing).filter { $0.name == "text" }
            let boxes = try texts.map { try #require(Box(text: $0)) }
            for (index, box) in boxes.enumerated() {
                let other = boxes[(index + 1)...].firstIndex { $0.overlaps(box) }
                #expect(other == nil, "\(texts[index]) and \(other.map { "\(texts[$0])" } ?? "")")
            }
        }
    }

    @Test("of a fill tell the figures of every number of slots, each once")
    func fill() throws {
        let sample = PlotSample(name: "fill", (1...500).map { .microseconds($0) }, (1...500).map { .microseconds($0) })
        let titles = try SVGElement.all(in: sample.fill).filter { $0.name == "title" }.map(\.text)
        // The 500th add and the first delete are the ones among most slots.
        #expect(titles.contains("1 add among 1 slot\np50 1 us, p99 1 us, max 1 us"))
        #expect(titles.contains("1 delete among 1 slot\np50 500 us, p99 500 us, max 500 us"))
        let first = try #require(Plot.slotBuckets(of: 500).last).lowerBound
        #expect(
            titles.contains {
                $0.hasPrefix("\(500 - first + 1) adds among \(first) to 500 slots\n") && $0.hasSuffix("max 500 us")
            })
        #expect(
            titles.contains {
                $0.hasPrefix("\(500 - first + 1) deletes among \(first) to 500 slots\np50 ")
                    && $0.hasSuffix("max \(501 - first) us")
            })
        #expect(titles.count { $0.contains(" add") } == titles.count { $0.contains(" delete") })
    }

    @Test("of an interrupted fill show the deletes that there were among most slots")
    func interruptedFill() throws {
        let sample = PlotSample(name: "fill", Array(repeating: .microseconds(9), count: 100), [.milliseconds(3)])
        let titles = try SVGElement.all(in: sample.fill).filter { $0.name == "title" }.map(\.text)
        #expect(titles.filter { $0.contains("delete") }.map { $0.contains("to 100 slots\np50 3 ms") } == [true])
    }

    @Test("of a churn label p50 and p99 of both kinds, the left ones to the left", arguments: [false, true])
    func churn(isParkingFaster: Bool) throws {
        let fast = (1...200).map { Duration.microseconds($0) }
        let slow = (1...200).map { Duration.milliseconds($0) }
        let sample = PlotSample(name: "churn", isParkingFaster ? fast : slow, isParkingFaster ? slow : fast)
        let texts = try SVGElement.all(in: sample.churn).filter { $0.attributes["class"] == "w" }
        #expect(texts.map(\.text) == ["p50 100 us", "p50 100 ms", "p99 198 us", "p99 198 ms"])
        #expect(texts.map { $0.attributes["text-anchor"] } == ["end", nil, "end", nil])
    }

    @Test("of a churn have a curve from the shortest to the longest that never falls", arguments: PlotSample.all)
    func curves(sample: PlotSample) throws {
        let curves = try SVGElement.all(in: sample.churn).filter {
            ["line0", "line1"].contains($0.attributes["class"]) && $0.isCurve
        }
        #expect(curves.count == [sample.first, sample.second].count { !$0.isEmpty })
        for places in try curves.map({ try $0.places() }) {
            #expect(places.first?.y == Double(Plot.bottom) && places.last?.y == Double(Plot.top))
            #expect(zip(places, places.dropFirst()).allSatisfy { $0.x <= $1.x && $0.y >= $1.y })
        }
    }

    @Test("say where they were measured, below everything else")
    func origin() throws {
        let plot = Plot(
            title: "", detail: "", note: "note", x: Plot.Axis("", words: \.count), y: Plot.Axis("", words: \.time),
            series: [])
        let elements = try SVGElement.all(in: plot.text(origin: "Linux 6.18"))
        let canvas = try #require(elements.first.flatMap { Box(shape: $0) })
        let line = try #require(elements.first { $0.text == "Linux 6.18" }.flatMap { Box(text: $0) })
        #expect(canvas.contains(line))
        for text in elements where text.name == "text" && text.text != "Linux 6.18" {
            let box = try #require(Box(text: text))
            #expect(!box.overlaps(line), "\(text)")
        }
    }

    @Test("have no entry in the legend for what has no points")
    func legend() throws {
        let traces: [Plot.Trace] = [
            (.marks, "0 cells", []), (.line, "equal", [Plot.Point(1, 1)]), (.words, "words", []),
        ]
        let plot = Plot(
            title: "", detail: "", x: Plot.Axis("", words: \.count), y: Plot.Axis("", words: \.time),
            series: [("first", traces), ("second", [(.marks, "0 cells", [])])])
        let texts = try SVGElement.all(in: plot.text).filter { $0.name == "text" }.map(\.text)
        #expect(texts.contains("equal") && texts.contains("words") && texts.contains("first"))
        #expect(!texts.contains("0 cells") && !texts.contains("second"))
    }

    @Test("say that there is nothing to show")
    func nothing() {
        let sample = PlotSample(name: "nothing", [], [])
        #expect(sample.fill.contains(">no slots were added</text>"))
        #expect(sample.churn.contains(">no changes were made</text>"))
    }
}

@Suite("A logarithmic axis")
struct LogAxisTests {
    @Test("begins and ends at ticks around what it shows")
    func ends() {
        let axis = LogAxis([3, 32_764], at: 100, 600)
        #expect([axis.first.count, axis.last.count] == ["2", "50,000"])
        // What it does not show stands at the ends of what it was asked to show.
        #expect(axis.position(of: 0) == axis.position(of: 3) && axis.position(of: 3) > 100)
        #expect(axis.position(of: .infinity) == axis.position(of: 32_764) && axis.position(of: 32_764) < 600)
        let decades = LogAxis([1, 1000], at: 600, 0)
        #expect([decades.first.count, decades.last.count] == ["1", "1,000"])
        #expect([1, 10, 100, 1000].map { decades.position(of: $0).rounded() } == [600, 400, 200, 0])
        // One number alone is in the middle of a decade or more.
        let single = LogAxis([7], at: 0, 100)
        #expect([single.first.count, single.last.count] == ["2", "50"])
    }

    @Test("leaves out words that have no room")
    func room() {
        func words(_ pixels: Int) -> [String] {
            LogAxis([1, 1e6], at: 0, pixels).lines(words: \.time) { _ in 20 }.compactMap { $0.words }
        }
        #expect(words(600).count == 19)
        #expect(words(300) == ["1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s"])
        #expect(words(90) == ["1 us", "100 us", "10 ms", "1 s"])
        #expect(words(5).count == 1)
    }

    @Test("has ticks at 1, 2 and 5, and words for them")
    func ticks() {
        let ticks = (-9...18).map(LogTick.init(index:))
        #expect(ticks.compactMap(\.count).prefix(5) == ["1", "2", "5", "10", "20"])
        #expect(ticks.compactMap(\.time).prefix(4) == ["1 ns", "2 ns", "5 ns", "10 ns"])
        #expect(ticks.suffix(3).map(\.time) == ["200 ms", "500 ms", "1 s"])
        // An axis of three decades begins at the last tick that is not above it, and ends at the first that is not below it.
        for tick in ticks {
            let end = LogTick(index: tick.index + 9)
            for factor in [1, 1.25] {
                let axis = LogAxis([tick.value * factor, end.value / factor], at: 0, 100)
                #expect(axis.first == tick && axis.last == end)
            }
        }
    }

    @Test("tells times with three digits")
    func times() {
        let times = [0, 0.812, 0.9996, 1, 7.253, 9.996, 24.06, 99.96, 612_345, 999_600, 1_050_000, 5e9]
        #expect(
            times.map(Figures.time) == [
                "0 ns", "812 ns", "1 us", "1 us", "7.25 us", "10 us", "24.1 us", "100 us", "612 ms", "1 s", "1.05 s",
                "5,000 s",
            ])
        #expect(
            [0, 999, 1000, 32_764, 1_234_567].map { Figures.grouped($0) } == [
                "0", "999", "1,000", "32,764", "1,234,567",
            ])
    }

    @Test("puts every number of slots into one bucket", arguments: [0, 1, 2, 3, 7, 10, 509, 32_764, 1_000_000])
    func buckets(count: Int) {
        let buckets = Plot.slotBuckets(of: count)
        #expect(buckets.first?.lowerBound ?? 1 == 1)
        #expect(buckets.last?.upperBound ?? 0 == count)
        #expect(zip(buckets, buckets.dropFirst()).allSatisfy { $0.upperBound + 1 == $1.lowerBound })
        #expect(buckets.allSatisfy { $0.count - 1 <= $0.lowerBound / 2 })
        #expect(buckets.count < 60)
    }
}

/// Latencies, as they may come.
struct PlotSample: CustomTestStringConvertible, Sendable {
    let name: String
    let first: [Duration]
    let second: [Duration]

    init(name: String, _ first: [Duration], _ second: [Duration]) {
        (self.name, self.first, self.second) = (name, first, second)
    }

    var testDescription: String { name }
    var fill: String {
        Plot.fill(title: name, detail: "", adds: Latencies(first), deletes: Latencies(second.prefix(first.count))).text
    }
    var churn: String {
        Plot.churn(title: name, detail: "", parked: Latencies(first), unparked: Latencies(second)).text
    }
    var drawings: [String] { [fill, churn] }

    static let all = [
        PlotSample(name: "nothing", [], []),
        PlotSample(name: "one", [.microseconds(12)], [.microseconds(12)]),
        PlotSample(name: "one side", [.nanoseconds(1), .seconds(3)], []),
        PlotSample(name: "the other side", [], [.nanoseconds(1), .seconds(3)]),
        PlotSample(name: "no time at all", Array(repeating: .zero, count: 20), [.zero]),
        PlotSample(name: "all times", [.zero, .seconds(90_000)], (0..<47).map { .nanoseconds(Int64(1) << $0) }),
        PlotSample(name: "ten", (1...10).map { .microseconds($0 * $0) }, (1...10).map { .microseconds(30 - $0) }),
        PlotSample(name: "full", outlier(32_764, .milliseconds(600)), outlier(32_764, .microseconds(1))),
        PlotSample(name: "many", outlier(50_000, .seconds(1)), outlier(100, .seconds(2))),
    ]

    private static func outlier(_ count: Int, _ duration: Duration) -> [Duration] {
        (0..<count).map { $0 == count / 3 ? duration : .nanoseconds(4000 + $0 * 7919 % 9973) }
    }
}

extension SVGElement {
    /// Whether it shows data, in the frame.
    fileprivate var isCurve: Bool {
        let isSample = (try? places().allSatisfy { $0.y < 130 }) ?? false
        return "01".contains(attributes["class"]?.last ?? " ") && !isSample
    }

    /// The corners of a path, and where a mark begins.
    fileprivate func places() throws -> [(x: Double, y: Double)] {
        var places: [(x: Double, y: Double)] = []
        var rest = Substring(attributes["d"] ?? "")
        while let command = rest.popFirst(), !"ahlz".contains(command) {
            let numbers = rest.prefix { "0123456789. ".contains($0) }
            rest = rest.dropFirst(numbers.count)
            let values = try numbers.split(separator: " ").map { try #require(Double($0)) }
            switch command {
            case "H": places.append((values[0], places.last?.y ?? 0))
            case "V": places.append((places.last?.x ?? 0, values[0]))
            default: places.append((values[0], values[1]))
            }
        }
        return places
    }
}
