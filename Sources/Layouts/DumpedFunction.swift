public import PCI

/// A function as a dump of a real machine shows it. A function is *counted* if the dump tells enough of it for a layout.
public struct DumpedFunction: Hashable, Sendable {
    /// The function's address in the dump.
    public let address: DomainAddress
    /// The dump's name for the function, which follows the class. Empty if the dump has no names.
    public var name = ""
    /// The dump's words for the class, such as `Ethernet controller`.
    public var className = ""
    /// The number of the line with which the function begins, counted from 1. Nil if the dump has no lines.
    public let line: Int?
    /// Whether the function is a bridge.
    public var isBridge = false
    /// The buses behind a bridge. Nil if the dump does not tell, or the function is no bridge.
    public var bridge: BridgeDescription?
    /// The sizes that resizable BARs can have, by the number of the BAR.
    public var resizable: [Int: [UInt64]] = [:]
    /// The vendor ID. Nil if the dump does not tell.
    public var vendorID: UInt16?
    /// The device ID. Nil if the dump does not tell.
    public var deviceID: UInt16?
    /// The class code, 24 bits. Nil if the dump does not tell.
    public var classCode: UInt32?
    /// The regions by their places.
    public var regions: [BaseAddressRegister: ConfigDump.Region] = [:]
    /// The MSI-X capability. Nil if there is none, or the dump does not tell.
    public var msix: MSIXDescription?
    /// The number of vectors of the MSI capability. Nil if there is none, or the dump does not tell.
    public var msiVectors: Int?
    /// The SR-IOV capability. Nil if there is none, or the dump does not tell.
    public var virtualFunctions: ConfigDump.VirtualFunctions?
    /// The configuration space, if the dump has 256 or 4096 bytes of it.
    var config: ConfigDump?
    /// Whether the dump would show regions if there were any.
    var hasRegisters = false
    /// The reason why the dump does not tell the capabilities, in words. Nil if it does tell them.
    public internal(set) var capabilityGap: String?
    /// The first reason why the function cannot be counted.
    public private(set) var problem: DumpWarning.Reason?

    init(address: DomainAddress, line: Int? = nil) {
        self.address = address
        self.line = line
    }

    /// Notes a reason why the function cannot be counted.
    ///
    /// - Parameter line: The line that shows the reason. Nil if it is the function's first line.
    mutating func problem(_ text: String, line: Int? = nil) {
        if problem == nil { problem = DumpWarning.Reason(line: line ?? self.line, text: text) }
    }

    /// Takes over all that configuration space tells. It does not tell the sizes of BARs.
    mutating func take(_ config: ConfigDump) {
        take(identityOf: config)
        guard !isBridge else { return }
        take(config.bars)
        if let base = config.romBase {
            take([ConfigDump.Region(place: .rom, kind: .memory32, base: base)])
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

    /// A measure of how much is known of the function. Of two descriptions, the one with the larger measure counts.
    fileprivate var fullness: Int {
        // Details decide between descriptions that are otherwise equal, because one of them may be cut short.
        let details =
            regions.count + (msix == nil ? 0 : 1) + (msiVectors == nil ? 0 : 1) + (virtualFunctions == nil ? 0 : 1)
        return (hasRegisters ? 400 : 0) + (problem == nil ? 200 : 0) + (capabilityGap == nil ? 100 : 0) + details
    }

    /// Takes over what `other` knows beyond this description: identity, and sizes of regions. `other` describes the same
    /// function.
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

extension BaseAddressRegister {
    /// All places of a function's regions, in the order of the lines in the file `resource` of sysfs.
    static let all: [Self] =
        (0..<6).map { .bar($0) } + [.rom] + (0..<6).map { .virtual($0) }

    /// The number of the BAR. Nil for the ROM.
    var number: Int? {
        switch self {
        case .bar(let number), .virtual(let number): number
        case .rom, .window: nil
        }
    }

    var isVirtual: Bool { if case .virtual = self { true } else { false } }
}

/// A problem that a reader of a dump has found, and whether the function was skipped for it.
public struct DumpWarning: Hashable, Sendable {
    /// The problem itself.
    public struct Reason: Hashable, Sendable {
        /// The line that shows the problem, counted from 1. Nil if no line does.
        public let line: Int?
        /// The problem in words.
        public let text: String
        /// The regions whose sizes the dump does not tell.
        public var unsized: [DumpSelection.Place] = []
        /// Whether the function is counted without something that takes room.
        public var isUnsure = false
    }

    /// The problem.
    public let reason: Reason
    /// The function with the problem. Nil if the problem belongs to no function.
    public let function: DomainAddress?
    /// Whether the function is left out because of the problem.
    public private(set) var isSkipped = false
}

extension DumpWarning: CustomStringConvertible {
    public var description: String {
        let place = reason.line.map { "line \($0): " } ?? ""
        let whose = function.map { "\($0): " } ?? ""
        return place + whose + reason.text + (isSkipped ? "; the function is skipped" : "")
    }
}

/// The functions and warnings that a reader has taken from a dump.
public struct Dump: Sendable {
    /// The functions in the order of the dump. No two have the same address.
    public private(set) var functions: [DumpedFunction] = []
    /// The problems in the dump.
    public private(set) var warnings: [DumpWarning] = []
    /// The form of the text, if it is a known one that shows no BARs, in words: `this is what lspci -t prints`.
    public private(set) var form: String?
    private var indices: [DomainAddress: Int] = [:]

    /// Adds a function. If the dump already has a description of that address, the fuller one counts, completed from the other.
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
