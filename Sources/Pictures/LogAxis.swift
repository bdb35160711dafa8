/// A number at which a logarithmic axis may have a line: 1, 2 or 5 times a power of ten.
public struct LogTick: Equatable {
    /// The number of the tick, counted from 1 on: index 0 is 1, index 1 is 2, index 2 is 5, index 3 is 10, and index -1 is 0.5.
    let index: Int

    /// The exponent of the power of ten.
    public var exponent: Int { (index >= 0 ? index : index - 2) / 3 }
    /// The factor of the power of ten: 1, 2 or 5.
    public var mantissa: Int { [1, 2, 5][index - 3 * exponent] }
    /// The number itself.
    public var value: Double {
        (0..<abs(exponent)).reduce(Double(mantissa)) { value, _ in exponent < 0 ? value / 10 : value * 10 }
    }

    /// The tick as a number of things, such as `1`, `200` or `5,000`, or nil below 1.
    public var count: String? { (0...17).contains(exponent) ? Figures.grouped(Int(value)) : nil }

    /// The tick as a time in microseconds, such as `20 ns`, `5 us`, `100 ms` or `1 s`, or nil for a time that is shorter than a
    /// clock can tell.
    public var time: String? { (-3...14).contains(exponent) ? Figures.time(value) : nil }
}

/// A line of pixels on which equal ratios of positive numbers are equally far apart. The line begins and ends at ticks.
struct LogAxis {
    /// The logarithms of the numbers that the axis was made to show.
    private let shown: ClosedRange<Double>
    let first: LogTick
    let last: LogTick
    /// The logarithms of both ends, and the pixels of both ends. The pixels may rise or fall.
    private let (low, high, start, end): (Double, Double, Double, Double)

    /// Creates an axis that shows numbers, and at least one decade.
    ///
    /// - Parameter margin: The share of the axis that stays free at both ends.
    init(_ numbers: [Double], margin: Double = 0, at start: Int, _ end: Int) {
        // Numbers below a thousandth are drawn at a thousandth, which in microseconds is the least that a clock can tell.
        let lowest = log10(max(numbers.min() ?? 1, 0.001))
        let decades = max(log10(numbers.max() ?? 1) - lowest, 0)
        shown = lowest...lowest + decades
        let free = (max(decades / (1 - 2 * margin), 1) - decades) / 2
        let (from, to) = (lowest - free, lowest + decades + free)
        let ticks = (3 * Int(from.rounded(.down))...3 * Int(to.rounded(.up))).map(LogTick.init(index:))
        // Logarithms are rounded. The tolerance keeps 1000, for example, from counting as less than the tick of 1000.
        first = ticks.last { log10($0.value) <= from + 1e-9 } ?? ticks[0]
        last = ticks.first { log10($0.value) >= to - 1e-9 } ?? ticks[ticks.count - 1]
        (low, high, self.start, self.end) = (log10(first.value), log10(last.value), Double(start), Double(end))
    }

    /// Returns the pixel of a number. A number below or above all those that the axis was made to show is drawn at the nearest of
    /// them.
    func position(of value: Double) -> Double {
        position(ofLogarithm: min(max(log10(value), shown.lowerBound), shown.upperBound))
    }

    private func position(ofLogarithm logarithm: Double) -> Double {
        start + (logarithm - low) / (high - low) * (end - start)
    }

    /// Returns the lines at all ticks, as pixels and words. All lines have words if there is room. Otherwise only those at powers
    /// of ten have words, or those at every second power of ten, and so on.
    ///
    /// - Parameter room: The number of pixels that words take, the space between them and the next words included.
    func lines(words: (LogTick) -> String?, room: (String) -> Int) -> [(position: Double, words: String?)] {
        var step = 0
        while true {
            let lines = (first.index...last.index).map { index in
                let tick = LogTick(index: index)
                let isShown = step == 0 || tick.mantissa == 1 && tick.exponent % step == 0
                return (position: position(ofLogarithm: log10(tick.value)), words: isShown ? words(tick) : nil)
            }
            let taken = lines.compactMap { line in line.words.map { (at: line.position, room: Double(room($0))) } }
            let fits = zip(taken, taken.dropFirst()).allSatisfy { abs($1.at - $0.at) >= ($0.room + $1.room) / 2 }
            if fits { return lines }
            step += 1
        }
    }
}

/// Returns the decimal logarithm of a positive number. The logarithm of zero is a very low number.
private func log10(_ number: Double) -> Double {
    let number = min(number, .greatestFiniteMagnitude)
    // The natural logarithm of m is 2 artanh((m - 1) / (m + 1)). Its series converges fast for a significand m from 1 to 2.
    let ratio = (number.significand - 1) / (number.significand + 1)
    let series = stride(from: 33.0, through: 1, by: -2).reduce(0) { $0 * ratio * ratio + 1 / $1 }
    return (Double(number.exponent) * 0.6931471805599453 + 2 * ratio * series) * 0.4342944819032518
}
