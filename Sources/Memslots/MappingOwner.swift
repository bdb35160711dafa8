/// The owner of the memory that a mapping shows.
///
/// A PCI function is named by its segment and its requester ID: bus, device and function number in 16 bits (PCI 3.0, 3.2.2.3).
public enum MappingOwner: Hashable, Sendable {
    /// The RAM of the machine.
    case ram
    /// Memory besides the RAM that a machine's configuration asks for.
    case extra
    /// A BAR of a PCI function.
    case bar(segment: UInt8 = 0, function: UInt16, number: UInt8)
    /// The expansion ROM of a PCI function.
    case rom(segment: UInt8 = 0, function: UInt16)
    /// Memory that a user of the library maps, with a number of the user's choice.
    case other(Int)
}

extension MappingOwner: CustomStringConvertible {
    /// The owner's name for people, such as `RAM`, `00:04.0 BAR 2` or `00:04.0 ROM`.
    public var description: String {
        switch self {
        case .ram: "RAM"
        case .extra: "extra slot"
        case .bar(let segment, let function, let number): "\(requesterText(function, segment: segment)) BAR \(number)"
        case .rom(let segment, let function): "\(requesterText(function, segment: segment)) ROM"
        case .other(let number): "mapping \(number)"
        }
    }
}

/// Returns a requester ID as `lspci` writes it: `00:04.0`, or `0001:00:04.0` in a segment other than 0.
public func requesterText(_ id: UInt16, segment: UInt8 = 0) -> String {
    // Written by hand because tables have thousands of these.
    let digits = Array("0123456789abcdef".utf8)
    let (bus, device) = (Int(id >> 8), Int(id >> 3 & 31))
    let domain = segment == 0 ? [] : [48, 48, digits[Int(segment >> 4)], digits[Int(segment & 15)], UInt8(ascii: ":")]
    let text = [
        digits[bus >> 4], digits[bus & 15], UInt8(ascii: ":"), digits[device >> 4], digits[device & 15],
        UInt8(ascii: "."), digits[Int(id & 7)],
    ]
    return String(decoding: domain + text, as: UTF8.self)
}
