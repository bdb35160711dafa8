/// The middle of repeated measurements and how far they spread.
struct Quartiles: Encodable {
    let minimum: Double
    let lower: Double
    let median: Double
    let upper: Double

    init(_ values: [Double]) {
        let sorted = values.sorted()
        /// Between the two nearest values, as the most common definition has it.
        func quantile(_ part: Double) -> Double {
            guard let last = sorted.last else { return .nan }
            let place = part * Double(sorted.count - 1)
            let low = Int(place)
            let high = low + 1 < sorted.count ? sorted[low + 1] : last
            return sorted[low] + (high - sorted[low]) * (place - Double(low))
        }
        minimum = quantile(0)
        lower = quantile(0.25)
        median = quantile(0.5)
        upper = quantile(0.75)
    }

    static func / (values: Quartiles, divisor: Double) -> Quartiles {
        Quartiles(
            minimum: values.minimum / divisor, lower: values.lower / divisor, median: values.median / divisor,
            upper: values.upper / divisor)
    }

    private init(minimum: Double, lower: Double, median: Double, upper: Double) {
        self.minimum = minimum
        self.lower = lower
        self.median = median
        self.upper = upper
    }
}

/// Random numbers that are the same in each run (Steele, Lea, Flood 2014).
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = ContinuousClock.now
    try body()
    return (ContinuousClock.now - start) / .seconds(1)
}
