public import PCI

/// A function as a dump of a real machine shows it, before anybody knows whether it can be had.
public struct DumpedFunction: Hashable, Sendable {
    public let address: DomainAddress
    /// What the dump calls it: `Ethernet controller: ...`; empty where it has no names.
    public var name = ""
    /// The line on which it begins, counted from 1; nil where it does not come from lines.
    public let line: Int?
    public var isBridge = false
    public var vendorID: UInt16?
    public var deviceID: UInt16?
    public var classCode: UInt32?
    /// The regions by their places.
    public var regions: [ConfigDump.Region.Place: ConfigDump.Region] = [:]
    public var msix: MSIXDescription?
    public var msiVectors: Int?
    public var virtualFunctions: ConfigDump.VirtualFunctions?
    /// Whether whoever made the dump was not allowed to see the capabilities.
    public var hidesCapabilities = false
    /// The first reason why the function cannot be counted.
    public private(set) var problem: DumpWarning.Reason?

    init(address: DomainAddress, line: Int? = nil) {
        self.address = address
        self.line = line
    }

    /// Notes why the function cannot be counted, and the line that shows it if it is not the function's first one.
    mutating func problem(_ text: String, line: Int? = nil) {
        if problem == nil { problem = DumpWarning.Reason(line: line ?? self.line, text: text) }
    }

    /// Takes all that configuration space tells. The sizes of BARs are not in there.
    mutating func take(_ config: ConfigDump) {
        take(identityOf: config)
        guard !isBridge else { return }
        take(config.bars)
        if let base = config.romBase {
            take([ConfigDump.Region(place: .register(.rom), kind: .memory32, base: base)])
        }
        if config.lacksCapabilities {
            hidesCapabilities = true
        } else {
            take(capabilitiesOf: config)
        }
    }

    mutating func take(identityOf config: ConfigDump) {
        isBridge = config.isBridge ?? isBridge
        vendorID = config.vendorID
        deviceID = config.deviceID
        classCode = config.classCode
    }

    mutating func take(capabilitiesOf config: ConfigDump) {
        msix = config.msix
        msiVectors = config.msiVectors
        virtualFunctions = config.virtualFunctions
        take(config.enhancedRegions)
    }

    private mutating func take(_ found: [ConfigDump.Region]) {
        for region in found { regions[region.place] = region }
    }
}

extension ConfigDump.Region.Place {
    /// All places of a function's regions, in the order of the lines in the file `resource` of sysfs.
    static let all: [Self] =
        (0..<6).map { .register(.bar($0)) } + [.register(.rom)] + (0..<6).map { .virtual($0) }

    /// The number of the BAR; nil for the ROM.
    var number: Int? {
        switch self {
        case .register(.bar(let number)), .virtual(let number): number
        case .register(.rom): nil
        }
    }

    var isVirtual: Bool { if case .virtual = self { true } else { false } }

    /// What people call it.
    var name: String {
        switch self {
        case .register(let register): "\(register)"
        case .virtual(let number): "VF BAR \(number)"
        }
    }
}

/// Something in a dump that is not as it should be, and what became of it.
public struct DumpWarning: Hashable, Sendable {
    public struct Reason: Hashable, Sendable {
        public let line: Int?
        public let text: String
        /// Whether the dump does not tell the sizes of regions, which the text names as `DumpSelection.Place` does.
        public var lacksSizes = false
    }

    public let reason: Reason
    /// Whose it is; nil where no function can be told.
    public let function: DomainAddress?
    /// Whether the function is left out for it.
    public private(set) var isSkipped = false
}

extension DumpWarning: CustomStringConvertible {
    public var description: String {
        let place = reason.line.map { "line \($0): " } ?? ""
        let whose = function.map { "\($0): " } ?? ""
        return place + whose + reason.text + (isSkipped ? "; the function is skipped" : "")
    }
}

/// What a reader found.
public struct Dump: Sendable {
    /// In the order of the dump; no two at one address.
    public private(set) var functions: [DumpedFunction] = []
    public private(set) var warnings: [DumpWarning] = []
    private var addresses = Set<DomainAddress>()

    /// Adds a function, unless there is one at its address already.
    mutating func append(_ function: DumpedFunction) {
        guard addresses.insert(function.address).inserted else {
            let text = "there is a function at this address already, and the first is taken"
            return warn(text, line: function.line, function: function.address)
        }
        functions.append(function)
    }

    mutating func warn(_ text: String, line: Int? = nil, function: DomainAddress? = nil) {
        warnings.append(DumpWarning(reason: DumpWarning.Reason(line: line, text: text), function: function))
    }
}
