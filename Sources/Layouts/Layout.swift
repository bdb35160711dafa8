public import Board
public import PCI

/// A described set of PCI functions: the machine that somebody wants to see before they own it.
public struct Layout: Hashable, Sendable {
    public struct Function: Hashable, Sendable {
        /// Where a guest finds it.
        public internal(set) var address: FunctionAddress
        public let description: FunctionDescription
        /// Where it was found: on the machine of a dump.
        public let source: DomainAddress
        /// What the dump calls it; empty without one.
        public let name: String

        init(
            address: FunctionAddress, description: FunctionDescription, source: DomainAddress? = nil, name: String = ""
        ) {
            self.address = address
            self.description = description
            self.source = source ?? DomainAddress(domain: 0, function: address)
            self.name = name
        }
    }

    public let name: String
    /// By address; no two share one.
    public let functions: [Function]
    /// Bridges of the dump that it comes from; they are not assigned.
    public private(set) var bridges = 0
    /// Where the layout wants the apertures, and how many buses.
    public private(set) var choices = AddressMap.Choices()

    /// The functions by their addresses.
    public var byAddress: [FunctionAddress: FunctionDescription] {
        Dictionary(uniqueKeysWithValues: functions.map { ($0.address, $0.description) })
    }

    /// The number of buses that the functions take, counted from bus 0.
    public var buses: Int {
        functions.last.map { Int($0.address.bus) + 1 } ?? 0
    }
}

extension Layout {
    /// Functions at the addresses from `first` on, eight a device and 32 devices a bus.
    init(name: String, count: Int, of description: FunctionDescription, first: UInt16 = 0, step: Int = 1) {
        let functions = (0..<count).map { number in
            Function(
                address: FunctionAddress(requesterID: first + UInt16(number * step)), description: description)
        }
        self.init(name: name, functions: functions)
    }
}

/// Why a layout is none.
public enum LayoutError: Error, Hashable, Sendable {
    /// Two functions are at the same address.
    case sharedAddress(FunctionAddress)
    /// A key of a layout file has a value that cannot be; the text says what can.
    case badValue(key: String, value: String, expected: String)
    /// A repeated function would pass the last address, ff:1f.7.
    case tooManyFunctions(first: FunctionAddress, count: Int)
    /// Nothing in a dump can be assigned; the first thing that is wrong with it may say why.
    case noFunctions(bridges: Int, firstWarning: DumpWarning?)
    /// Functions that were asked for by their addresses and are not there.
    case unknownFunctions([DomainAddress])
    /// Sizes and virtual functions are for dumps: this layout has said all.
    case notADump(String)
}

extension LayoutError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .sharedAddress(let address): "two functions are at \(address): give each an address of its own (`at`)"
        case .badValue(let key, let value, let expected): "\(key): `\(value)` is not \(expected)"
        case .tooManyFunctions(let first, let count):
            "\(count) functions from \(first) on pass the last address there is, ff:1f.7: repeat fewer"
        case .noFunctions(let bridges, let warning):
            "no function to assign" + (bridges > 0 ? " beside \(bridges) bridge\(bridges == 1 ? "" : "s")" : "")
                + (warning.map { "; \($0)" } ?? "")
        case .unknownFunctions(let addresses):
            "there is no function at \(addresses.sorted().map { "\($0)" }.joined(separator: ", "))"
        case .notADump(let name): "\(name) is no dump: sizes of regions and virtual functions have no meaning for it"
        }
    }
}
