internal import Memslots

/// A limit of the plan, and what the layout needs of it.
public struct Budget: Hashable, Sendable {
    /// The unit of the need and the limit.
    public enum Unit: String, Codable, Sendable {
        /// A number of things.
        case count
        /// A size in bytes.
        case bytes
        /// An address: `need` is the highest address of the layout, and `limit` the highest that is possible.
        case address
    }

    /// The name of the budget in tables and in JSON.
    public let name: String
    /// The amount that the layout needs.
    public let need: UInt64
    /// The amount that exists.
    public let limit: UInt64
    /// The unit of `need` and `limit`.
    public internal(set) var unit = Unit.count
    /// The sum of all sizes in bytes, if `need` is a span of addresses with the gaps that alignment leaves. Nil for other budgets.
    public internal(set) var sum: UInt64?
    /// The set-up in which the budget counts, in words, if the plan cannot know whether the user has it. Nil for a budget that
    /// always counts.
    public internal(set) var condition: String?

    /// Whether the layout stays within the limit.
    public var fits: Bool { need <= limit }

    /// The used part of the limit, from 0 on. Above 1, the layout does not fit.
    public var share: Double {
        limit == 0 ? (need == 0 ? 0 : .infinity) : Double(need) / Double(limit)
    }
}

extension Budget: Encodable {
    private enum Key: String, CodingKey {
        case name, need, limit, unit, sum, share, fits, condition
    }

    /// Encodes addresses as strings in hexadecimal. Leaves the share out if the limit is 0 and something is needed.
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
