public import PCI

/// A function as a dump of a real machine shows it, before anybody knows whether it can be had.
public struct DumpedFunction: Hashable, Sendable {
    /// Memory or ports of a function; how large they are is not in every dump.
    public struct Region: Hashable, Sendable {
        public var kind: BARDescription.Kind
        public var isPrefetchable = false
        /// In bytes.
        public var size: UInt64?
        /// Where it lies on that machine; zero where it has no address.
        public var base: UInt64 = 0

        public init(kind: BARDescription.Kind, isPrefetchable: Bool = false, size: UInt64? = nil, base: UInt64 = 0) {
            self.kind = kind
            self.isPrefetchable = isPrefetchable
            self.size = size
            self.base = base
        }
    }

    public var address: DomainAddress
    /// What the dump calls it: `Ethernet controller: ...`; empty where it has no names.
    public var name = ""
    /// The line on which it begins, counted from 1; nil where it does not come from lines.
    public var line: Int?
    public var isBridge = false
    public var vendorID: UInt16?
    public var deviceID: UInt16?
    public var classCode: UInt32?
    public var regions: [BaseAddressRegister: Region] = [:]
    public var msix: MSIXDescription?
    public var msiVectors: Int?
    public var virtualFunctions: ConfigDump.VirtualFunctions?
    /// What each virtual function has, by the number of its BAR.
    public var virtualRegions: [Int: Region] = [:]
    /// Why the function cannot be counted.
    public var problems: [DumpWarning.Reason] = []
    /// What is known to be missing in the count.
    public var remarks: [DumpWarning.Reason] = []

    public init(address: DomainAddress, line: Int? = nil) {
        self.address = address
        self.line = line
    }

    mutating func problem(_ text: String, line: Int? = nil) {
        problems.append(DumpWarning.Reason(line: line, text: text))
    }

    mutating func remark(_ text: String) {
        remarks.append(DumpWarning.Reason(line: line, text: text))
    }

    static let hiddenCapabilities = "its capabilities are hidden, so it is counted without MSI-X: look at it as root"
}

/// Something in a dump that is not as it should be, and what became of it.
public struct DumpWarning: Hashable, Sendable {
    public struct Reason: Hashable, Sendable {
        public let line: Int?
        public let text: String
    }

    /// Whose it is; nil where no function can be told.
    public let function: DomainAddress?
    /// Whether the function is left out for it.
    public let isSkipped: Bool
    public let reason: Reason

    public init(_ text: String, line: Int? = nil, function: DomainAddress? = nil, isSkipped: Bool = false) {
        self.function = function
        self.isSkipped = isSkipped
        reason = Reason(line: line, text: text)
    }
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
    public internal(set) var functions: [DumpedFunction] = []
    public internal(set) var warnings: [DumpWarning] = []

    public init() {}

    /// Adds a function, unless there is one at its address already.
    mutating func append(_ function: DumpedFunction, seen: inout Set<DomainAddress>) {
        guard seen.insert(function.address).inserted else {
            warnings.append(
                DumpWarning(
                    "there is a function at this address already, and the first is taken", line: function.line,
                    function: function.address))
            return
        }
        functions.append(function)
    }
}
