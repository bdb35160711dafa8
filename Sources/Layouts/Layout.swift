public import Board
internal import Memslots
public import PCI

/// A described set of PCI functions: a machine that somebody wants to study before they own it.
public struct Layout: Hashable, Sendable {
    /// A function of the layout.
    public struct Function: Hashable, Sendable {
        /// The address at which a guest finds the function.
        public internal(set) var address: FunctionAddress
        /// The function's identity, BARs and capabilities.
        public internal(set) var description: FunctionDescription
        /// The address at which the function was found on the machine of a dump.
        public internal(set) var source: DomainAddress
        /// The dump's name for the function, with its class. Empty without one.
        public internal(set) var name: String
        /// Whether the vendor and device IDs in `description` are the function's own.
        public let hasIdentity: Bool
        /// The sizes that resizable BARs can have, by the number of the BAR, as far as they are known.
        public internal(set) var resizable: [Int: [UInt64]] = [:]
        /// The index of a virtual function among those of its physical function, counted from 0. Nil if the function is not
        /// virtual.
        public internal(set) var virtualIndex: Int?
        /// The record of the device from which the function was captured. Nil for any other function.
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

    /// The name of the layout.
    public let name: String
    /// The functions in order of their addresses. No two share an address.
    public internal(set) var functions: [Function]
    /// The number of bridges in the dump that the layout leaves out.
    public internal(set) var bridges = 0
    /// The sources of functions that are not described, by address.
    public private(set) var assigned: [FunctionAddress: AssignedSource] = [:]
    /// The layout's wishes for the apertures, and for the number of buses.
    public internal(set) var choices = AddressMap.Choices()
    /// The addresses that BARs and ROMs must have.
    public internal(set) var fixed: [BAROwner: UInt64] = [:]

    /// The descriptions of the functions by their addresses.
    public var byAddress: [FunctionAddress: FunctionDescription] {
        Dictionary(uniqueKeysWithValues: functions.map { ($0.address, $0.description) })
    }

    /// The number of buses that the functions take, counted from bus 0.
    public var buses: Int {
        functions.map { Int($0.address.bus) + 1 }.max() ?? 0
    }
}

/// The source of a function that the layout does not describe.
public enum AssignedSource: Hashable, Sendable {
    /// A device process, by the path of its socket (vfio-user).
    case process(String)
    /// A function of the host, by the name that the host's kernel gives it (VFIO).
    case host(String)
}

extension Layout {
    /// Makes a layout of equal functions at the addresses from `first` on. A device has eight addresses, a bus 32 devices.
    ///
    /// - Parameter step: The distance between two functions, in addresses.
    init(name: String, count: Int, of description: FunctionDescription, first: UInt16 = 0, step: Int = 1) {
        let functions = (0..<count).map { number in
            Function(
                address: FunctionAddress(requesterID: first + UInt16(number * step)), description: description)
        }
        self.init(name: name, functions: functions)
    }
}

/// The reason why a layout cannot be read or made.
public enum LayoutError: Error, Hashable, Sendable {
    /// Two functions have the same address.
    case sharedAddress(FunctionAddress)
    /// A key of a layout file has an impossible value. `expected` describes the possible ones.
    case badValue(key: String, value: String, expected: String)
    /// A key is missing without which the object has no meaning. The first value is the path of the key.
    case missingKey(String, expected: String)
    /// A key is not known. `known` has the keys that the object can have.
    case unknownKey(String, known: [String])
    /// A repeated function would pass the last address, ff:1f.7.
    case tooManyFunctions(first: FunctionAddress, count: Int)
    /// No function of a dump can be assigned. The warnings may say why.
    case noFunctions(bridges: Int, warnings: [DumpWarning])
    /// The user names functions that do not exist. `similar` has functions that the user may have meant.
    case unknownFunctions([DomainAddress], similar: [DomainAddress])
    /// The user gives the size of a region that the function does not have, as far as the dump shows.
    case unknownRegion(DumpSelection.Place)
    /// The user gives a size that a region cannot have, or that contradicts the dump.
    case badSize(DumpSelection.Place, size: UInt64, reason: String)
    /// The user gives sizes of regions or a number of virtual functions for a layout that is not a dump.
    case notADump(String)
    /// The user asks for something that no function has, as far as is known. The value says what.
    case nobodyHas(String)
    /// Bridges cannot be as described, for example with buses that are not their own.
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
            "\(key): unknown key; the known keys are \(known.joined(separator: ", "))"
        case .tooManyFunctions(let first, let count):
            "\(count) functions from \(first) on pass the last address there is, ff:1f.7: repeat fewer"
        case .noFunctions(let bridges, let warnings):
            "no function to assign" + (bridges > 0 ? " beside \(bridges) bridge\(bridges == 1 ? "" : "s")" : "")
                + Self.text(warnings)
        case .unknownFunctions(let addresses, let similar):
            "there is no function at \(Self.list(addresses))"
                + (similar.isEmpty ? "" : "; there is \(Self.list(Array(similar.prefix(4))))")
        case .unknownRegion(let place):
            "\(place): the function has no \(place.region), as far as is known"
        case .badSize(let place, let size, let reason):
            "\(place): it cannot have \(sizeText(size)): \(reason)"
        case .nobodyHas(let what): "no function has \(what), as far as configuration space is known"
        case .bridges(let error): "\(error)"
        case .notADump(let name): "\(name) is no dump: sizes of regions and virtual functions have no meaning for it"
        }
    }

    private static func list(_ addresses: [DomainAddress]) -> String {
        addresses.map { "\($0)" }.joined(separator: ", ")
    }

    /// Returns the first warning, and the number of other functions that were skipped.
    private static func text(_ warnings: [DumpWarning]) -> String {
        let skipped = warnings.filter(\.isSkipped)
        guard let first = skipped.first ?? warnings.first else { return "" }
        let others = skipped.count - 1
        return "; \(first)" + (others > 0 ? ", and so \(others == 1 ? "is 1 other" : "are \(others) others")" : "")
    }
}
