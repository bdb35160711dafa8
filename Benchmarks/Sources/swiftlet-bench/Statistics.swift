import Floor

/// The middle of repeated measurements, and how far they spread.
struct Quartiles: Encodable {
    let minimum: Double
    let lower: Double
    let median: Double
    let upper: Double

    init(_ values: [Double]) {
        let sorted = values.sorted()
        /// Interpolates between the two nearest values, as the most common definition does.
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
}

/// The time of something, in seconds, and its instructions.
struct Elapsed {
    var wall = 0.0
    /// The processor time of this process. It leaves out the time of other processes, and so spreads less if there are some.
    /// Nil if other processes share the work.
    var processor: Double?
    /// The user instructions of this process. They are the same in each round, whatever else the host does. Nil if nothing
    /// counts them, or if other processes share the work.
    var instructions: Double?

    /// The time of nothing.
    static var none: Elapsed { Elapsed(processor: 0, instructions: 0) }

    static func + (left: Elapsed, right: Elapsed) -> Elapsed {
        var sum = Elapsed(wall: left.wall + right.wall)
        if let one = left.processor, let other = right.processor { sum.processor = one + other }
        if let one = left.instructions, let other = right.instructions { sum.instructions = one + other }
        return sum
    }
}

/// Measures `body`.
func elapsed(_ body: () throws -> Void) rethrows -> Elapsed {
    let instructions = floor_user_instructions()
    let processor = floor_processor_time()
    let wall = floor_now()
    try body()
    let wallEnd = floor_now()
    let processorEnd = floor_processor_time()
    return Elapsed(
        wall: Double(wallEnd - wall) / 1e9, processor: Double(processorEnd - processor) / 1e9,
        instructions: instructions < 0 ? nil : Double(floor_user_instructions() - instructions))
}

extension Elapsed {
    /// The same without processor time and instructions, for work in which other threads or processes take part.
    var wallOnly: Elapsed { Elapsed(wall: wall) }
}
