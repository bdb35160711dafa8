public import Board
internal import Memslots
public import PCI

/// A described set of PCI functions: the machine that somebody wants to see before they own it.
public struct Layout: Hashable, Sendable {
    public struct Function: Hashable, Sendable {
        /// Where a guest finds it.
        public internal(set) var address: FunctionAddress
        public internal(set) var description: FunctionDescription
        /// Where it was found: on the machine of a dump.
        public internal(set) var source: DomainAddress
        /// What the dump calls it, behind its class; empty without one.
        public internal(set) var name: String
        /// Whether the ids of vendor and device in `description` are the function's own.
        public let hasIdentity: Bool
        /// The sizes that its BARs can have which can be resized, by number, as far as they are known.
        public internal(set) var resizable: [Int: [UInt64]] = [:]
        /// Which one it is of the virtual functions of another function, counted from 0; nil if it is none.
        public internal(set) var virtualIndex: Int?
        /// What the device gives that the function was captured from, or nil for any other function.
        public let record: DeviceRecord?

        init(
            address: FunctionAddress, description: FunctionDescription, source: DomainAddress? = nil, name: String = "",
            hasIdentity: Bool = true, record: DeviceRecord? = nil
        ) {
            self.address = address
            self.description = description
            self.source =
                source
                ?? DomainAddress(
                    domain: UInt32(address.segment), function: FunctionAddress(requesterID: address.requesterID))
            self.name = name
            self.hasIdentity = hasIdentity
            self.record = record
        }
    }

    public let name: String
    /// By address; no two share one.
    public internal(set) var functions: [Function]
    /// Bridges of the dump that it comes from and that it does not have.
    public internal(set) var bridges = 0
    /// What gives further functions, by their addresses.
    public private(set) var assigned: [FunctionAddress: AssignedSource] = [:]
    /// Where the layout wants the apertures, and how many buses.
    public internal(set) var choices = AddressMap.Choices()
    /// The addresses that BARs and ROMs are to have.
    public internal(set) var fixed: [BAROwner: UInt64] = [:]

    /// The functions by their addresses.
    public var byAddress: [FunctionAddress: FunctionDescription] {
        Dictionary(uniqueKeysWithValues: functions.map { ($0.address, $0.description) })
    }

    /// The number of buses that the functions take, counted from bus 0.
    public var buses: Int {
        functions.map { Int($0.address.bus) + 1 }.max() ?? 0
    }
}

/// What gives a function of a layout that is not described.
public enum AssignedSource: Hashable, Sendable {
    /// A device process, by the path of its socket.
    case process(String)
    /// A function of the host, as its kernel names it.
    case host(String)
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
    /// A key without which the object has no meaning, by its path.
    case missingKey(String, expected: String)
    /// A key that nobody knows, and those that the object can have.
    case unknownKey(String, known: [String])
    /// A repeated function would pass the last address, ff:1f.7.
    case tooManyFunctions(first: FunctionAddress, count: Int)
    /// Nothing in a dump can be assigned; what is wrong with it may say why.
    case noFunctions(bridges: Int, warnings: [DumpWarning])
    /// Functions that were asked for by their addresses and are not there, and some that may have been meant.
    case unknownFunctions([DomainAddress], similar: [DomainAddress])
    /// The size of a region that the function does not have, as far as the dump shows.
    case unknownRegion(DumpSelection.Place)
    /// A size that a region cannot have, or that the dump contradicts, and why.
    case badSize(DumpSelection.Place, size: UInt64, reason: String)
    /// Sizes and virtual functions are for dumps: this layout has said all.
    case notADump(String)
    /// What no function has that is asked for, as far as is known.
    case nobodyHas(String)
    /// Bridges whose buses are not their own.
    case bridges(DescriptionError)
}

extension LayoutError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .sharedAddress(let address): "two functions are at \(address): give each an address of its own (`at`)"
        case .badValue(let key, let value, let expected):
            value.isEmpty ? "\(key) is not \(expected)" : "\(key): `\(value)` is not \(expected)"
        case .missingKey(let key, let expected): "\(key) is missing: \(expected)"
        case .unknownKey(let key, let known):
            "\(key): there is no such key, but \(known.joined(separator: ", "))"
        case .tooManyFunctions(let first, let count):
            "\(count) functions from \(first) on pass the last address there is, ff:1f.7: repeat fewer"
        case .noFunctions(let bridges, let warnings):
            "no function to assign" + (bridges > 0 ? " beside \(bridges) bridge\(bridges == 1 ? "" : "s")" : "")
                + Self.text(warnings)
        case .unknownFunctions(let addresses, let similar):
            "there is no function at \(Self.list(addresses))"
                + (similar.isEmpty ? "" : "; there is \(Self.list(Array(similar.prefix(4))))")
        case .unknownRegion(let place):
            "\(place): the function has no \(place.region.name), as far as is known"
        case .badSize(let place, let size, let reason):
            "\(place): it cannot have \(hexadecimal(size)) bytes: \(reason)"
        case .nobodyHas(let what): "no function has \(what), as far as configuration space is known"
        case .bridges(let error): "\(error)"
        case .notADump(let name): "\(name) is no dump: sizes of regions and virtual functions have no meaning for it"
        }
    }

    private static func list(_ addresses: [DomainAddress]) -> String {
        addresses.map { "\($0)" }.joined(separator: ", ")
    }

    /// The first thing that is wrong, and whether it is all.
    private static func text(_ warnings: [DumpWarning]) -> String {
        let skipped = warnings.filter(\.isSkipped)
        guard let first = skipped.first ?? warnings.first else { return "" }
        let others = skipped.count - 1
        return "; \(first)" + (others > 0 ? ", and so \(others == 1 ? "is 1 other" : "are \(others) others")" : "")
    }
}
