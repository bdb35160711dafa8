@_exported public import SeededRandom

/// The seeds of a property test, one that never changes and a new one each time.
///
/// A failure names its seed.
public let propertySeeds: [UInt64] = [1, .random(in: .min ... .max)]
