import Glibc

/// A number at which a logarithmic axis has a line: 1, 2 or 5 times a power of ten.
public struct LogTick: Equatable {
    /// Counted from 1 on: 0 is 1, 1 is 2, 2 is 5, 3 is 10; -1 is 0.5.
    public let index: Int

    public var exponent: Int { (index >= 0 ? index : index - 2) / 3 }
    public var mantissa: Int { [1, 2, 5][index - 3 * exponent] }
    public var logarithm: Double { log10(Double(mantissa)) + Double(exponent) }

    /// The last one that is not above a number, given by its logarithm.
    public init(atOrBelow logarithm: Double) {
        let decade = Int(logarithm.rounded(.down)) * 3
        // Logarithms are rounded: 1000 is not to be below 1000.
        let isReached = { LogTick(index: $0).logarithm <= logarithm + 1e-9 }
        self.init(index: (decade...decade + 3).last(where: isReached) ?? decade)
    }

    /// The first one that is not below a number, given by its logarithm.
    public init(atOrAbove logarithm: Double) {
        let tick = LogTick(atOrBelow: logarithm)
        self.init(index: tick.logarithm >= logarithm - 1e-9 ? tick.index : tick.index + 1)
    }

    public init(index: Int) { self.index = index }

    /// As a number of things: `1`, `200`, `5,000`; nil below 1.
    public var count: String? {
        (0...17).contains(exponent) ? Figures.grouped(Self.power(exponent) * mantissa) : nil
    }

    /// As a time in microseconds: `20 ns`, `5 us`, `100 ms`, `1 s`; nil below what a clock can tell.
    public var time: String? {
        guard (-3...14).contains(exponent) else { return nil }
        let unit = min((exponent + 3) / 3, Figures.timeUnits.count - 1)
        return "\(Figures.grouped(Self.power(exponent + 3 - 3 * unit) * mantissa)) \(Figures.timeUnits[unit])"
    }

    private static func power(_ exponent: Int) -> Int {
        (0..<exponent).reduce(1) { power, _ in power * 10 }
    }
}

/// Positive numbers on a line of pixels, equal ratios equally far apart; it begins and ends at ticks.
public struct LogAxis {
    /// The logarithms of what it was made to show.
    private let shown: ClosedRange<Double>
    public let first: LogTick
    public let last: LogTick
    /// The pixels of its ends, in whichever direction.
    public let start: Double
    public let end: Double

    /// Shows all from one number to another, and at least a decade; `margin` is the share of the axis that stays free at both ends.
    public init(from low: Double, to high: Double, margin: Double = 0, at start: Int, _ end: Int) {
        let lowest = log10(max(low, .leastNormalMagnitude))
        let decades = max(log10(max(high, .leastNormalMagnitude)) - lowest, 0)
        shown = lowest...lowest + decades
        let free = (max(decades / (1 - 2 * margin), 1) - decades) / 2
        first = LogTick(atOrBelow: lowest - free)
        last = LogTick(atOrAbove: lowest + decades + free)
        (self.start, self.end) = (Double(start), Double(end))
    }

    /// The pixel of a number; what is less or more than the axis was made to show stands where the least or the most does.
    public func position(of value: Double) -> Double {
        let logarithm = log10(max(value, .leastNormalMagnitude))
        return position(ofLogarithm: min(max(logarithm, shown.lowerBound), shown.upperBound))
    }

    private func position(ofLogarithm logarithm: Double) -> Double {
        let share = (logarithm - first.logarithm) / (last.logarithm - first.logarithm)
        return start + share * (end - start)
    }

    /// Where lines cross the axis. Their words have room: all of them, else those of decades, else of every second decade, and so on.
    public func lines(words: (LogTick) -> String?, room: (String) -> Int) -> [AxisLine] {
        let ticks = (first.index...last.index).map(LogTick.init(index:))
        let lines = ticks.map { AxisLine(position: position(ofLogarithm: $0.logarithm), words: words($0)) }
        var shown = lines
        var step = 1
        while !Self.fit(shown, room: room) {
            shown = lines.indices.map { index in
                let isShown = ticks[index].mantissa == 1 && ticks[index].exponent % step == 0
                return isShown ? lines[index] : AxisLine(position: lines[index].position, words: nil)
            }
            step += 1
        }
        return shown
    }

    private static func fit(_ lines: [AxisLine], room: (String) -> Int) -> Bool {
        let taken = lines.compactMap { line in line.words.map { (at: line.position, room: Double(room($0))) } }
        return zip(taken, taken.dropFirst()).allSatisfy { abs($1.at - $0.at) >= ($0.room + $1.room) / 2 }
    }
}

/// A line of a grid: where it crosses its axis, in pixels, and what is written there.
public struct AxisLine: Equatable {
    public var position: Double
    public var words: String?

    public init(position: Double, words: String?) {
        self.position = position
        self.words = words
    }
}
