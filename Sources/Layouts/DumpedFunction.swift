public import PCI

/// A function as a dump of a real machine shows it, before anybody knows whether it can be had.
public struct DumpedFunction: Hashable, Sendable {
    public let address: DomainAddress
    /// What the dump calls it, behind its class; empty where it has no names.
    public var name = ""
    /// The words of the dump for its class: `Ethernet controller`.
    public var className = ""
    /// The line on which it begins, counted from 1; nil where it does not come from lines.
    public let line: Int?
    public var isBridge = false
    /// The buses behind a bridge; nil where the dump does not tell.
    public var bridge: BridgeDescription?
    /// The sizes that BARs can have which can be resized.
    public var resizable: [Int: [UInt64]] = [:]
    public var vendorID: UInt16?
    public var deviceID: UInt16?
    public var classCode: UInt32?
    /// The regions by their places.
    public var regions: [ConfigDump.Region.Place: ConfigDump.Region] = [:]
    public var msix: MSIXDescription?
    public var msiVectors: Int?
    public var virtualFunctions: ConfigDump.VirtualFunctions?
    /// Its configuration space, if the dump has 256 or 4096 bytes of it.
    var config: ConfigDump?
    /// Whether the dump would show the regions if there were any.
    var hasRegisters = false
    /// Why the dump does not tell the capabilities; nil where it does.
    public internal(set) var capabilityGap: String?
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
        hasRegisters = true
        if config.lacksCapabilities {
            capabilityGap = "its capabilities are hidden, so it is counted without MSI-X: look at it as root"
        } else {
            take(capabilitiesOf: config)
        }
    }

    mutating func take(identityOf config: ConfigDump) {
        isBridge = config.isBridge ?? isBridge
        // Virtual functions have all ones there (SR-IOV 1.1, 3.4.1).
        if config.vendorID != 0xffff { (vendorID, deviceID) = (config.vendorID, config.deviceID) }
        classCode = config.classCode
        bridge = config.bridge ?? bridge
        if [256, Int(ConfigSpace.size)].contains(config.bytes.count), !config.isAllOnes { self.config = config }
    }

    mutating func take(capabilitiesOf config: ConfigDump) {
        msix = config.msix
        msiVectors = config.msiVectors
        virtualFunctions = config.virtualFunctions
        take(config.virtualBars)
        take(config.enhancedRegions)
        resizable.merge(config.resizableBARs) { $1 }
    }

    private mutating func take(_ found: [ConfigDump.Region]) {
        for region in found { regions[region.place] = region }
    }

    // MARK: Several descriptions of one function

    /// How much of it is known: of two descriptions the one with more of it counts.
    fileprivate var fullness: Int {
        // What is told of two equal ones decides: one of them may be cut short.
        let details =
            regions.count + (msix == nil ? 0 : 1) + (msiVectors == nil ? 0 : 1) + (virtualFunctions == nil ? 0 : 1)
        return (hasRegisters ? 400 : 0) + (problem == nil ? 200 : 0) + (capabilityGap == nil ? 100 : 0) + details
    }

    /// Takes what `other`, which describes the same function, has beyond it: its identity, and sizes of regions.
    fileprivate mutating func complete(from other: DumpedFunction) {
        guard vendorID == nil || other.vendorID == nil || (vendorID, deviceID) == (other.vendorID, other.deviceID)
        else { return }
        if vendorID == nil { (vendorID, deviceID) = (other.vendorID, other.deviceID) }
        classCode = classCode ?? other.classCode
        if name.isEmpty { (name, className) = (other.name, other.className) }
        isBridge = isBridge || other.isBridge
        bridge = bridge ?? other.bridge
        config = config ?? other.config
        resizable.merge(other.resizable) { mine, _ in mine }
        if virtualFunctions == nil, hasRegisters, capabilityGap != nil { virtualFunctions = other.virtualFunctions }
        for (place, region) in other.regions {
            guard let mine = regions[place] else {
                if place.isVirtual, virtualFunctions != nil { regions[place] = region }
                continue
            }
            if mine.size == nil, mine.base == region.base || place.isVirtual { regions[place]?.size = region.size }
        }
    }

    /// Whether two descriptions cannot be of one machine at one time.
    fileprivate func contradicts(_ other: DumpedFunction) -> Bool {
        let places = Set(regions.keys).union(other.regions.keys).filter { !$0.isVirtual }
        return hasRegisters && other.hasRegisters
            && places.contains { place in
                let (mine, its) = (regions[place]?.size, other.regions[place]?.size)
                return mine != nil && its != nil && mine != its
            }
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
        case .register: nil
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
        /// The regions whose sizes the dump does not tell.
        public var unsized: [DumpSelection.Place] = []
        /// Whether the function is counted without something that takes room.
        public var isUnsure = false
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
    /// What this is, where it is known to be nothing that shows BARs: `this is what lspci -t prints`.
    public private(set) var form: String?
    private var indices: [DomainAddress: Int] = [:]

    /// Adds a function. Of two descriptions of one address the fuller counts, and is completed from the other one.
    mutating func append(_ function: DumpedFunction) {
        guard let index = indices[function.address] else {
            indices[function.address] = functions.count
            return functions.append(function)
        }
        var (first, second) = (functions[index], function)
        if first.contradicts(second) {
            warn(
                "it is described twice, with BARs of different sizes: the fuller description is taken, or the first",
                line: second.line, function: second.address)
        }
        if second.fullness > first.fullness { swap(&first, &second) }
        first.complete(from: second)
        functions[index] = first
    }

    mutating func noteForm(_ text: String) {
        form = form ?? text
    }

    mutating func warn(_ text: String, line: Int? = nil, function: DomainAddress? = nil) {
        warnings.append(DumpWarning(reason: DumpWarning.Reason(line: line, text: text), function: function))
    }
}
