internal import Memslots

/// Something of which there is only so much.
public struct Budget: Hashable, Sendable {
    public enum Unit: String, Codable, Sendable {
        case count
        case bytes
        /// `need` is the highest address, `limit` the highest there is.
        case address
    }

    public let name: String
    public let need: UInt64
    public let limit: UInt64
    public internal(set) var unit = Unit.count
    /// Where `need` is a span of addresses, with the gaps that alignment leaves: the sum without them, in bytes.
    public internal(set) var sum: UInt64?
    /// Whether it counts in a set-up only that the plan cannot know of; which one.
    public internal(set) var condition: String?

    public var fits: Bool { need <= limit }

    /// How much of it is used, from 0 on; above 1 it does not fit.
    public var share: Double {
        limit == 0 ? (need == 0 ? 0 : .infinity) : Double(need) / Double(limit)
    }
}

extension Budget: Encodable {
    private enum Key: String, CodingKey {
        case name, need, limit, unit, sum, share, fits, condition
    }

    /// Encodes addresses as strings in hexadecimal, and no share where there is nothing to share.
    public func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        try object.encode(name, forKey: .name)
        for (key, value) in [(Key.need, need), (.limit, limit)] {
            try unit == .address ? object.encode(hexadecimal(value), forKey: key) : object.encode(value, forKey: key)
        }
        try object.encode(unit, forKey: .unit)
        try object.encodeIfPresent(sum, forKey: .sum)
        try object.encodeIfPresent(share.isFinite ? share : nil, forKey: .share)
        try object.encode(fits, forKey: .fits)
        try object.encodeIfPresent(condition, forKey: .condition)
    }
}
