/// A capability in a function's configuration space: its ID, place and bytes, and the bits that software may write. MSI and MSI-X
/// are described elsewhere.
public struct CapabilityDescription: Hashable, Sendable {
    /// The capability ID: 8 bits in the PCI list (PCI 3.0, appendix H), 16 bits in the PCI Express list (PCIe, 7.6.3).
    public var id: UInt16
    /// The offset at which the capability begins: a multiple of 4, from 0x40 on, or from 0x100 on for an extended capability.
    public var offset: UInt64
    /// The version of an extended capability, 0 to 15, or nil for a capability of the PCI list.
    public var version: UInt8?
    /// The bytes after the header. The header has 2 bytes, or 4 in an extended capability.
    public var body: [UInt8]
    /// The bits of `body` that software may write. A byte of `body` that has no counterpart here is read-only.
    public var writable: [UInt8]
    /// Whether the function's model answers reads and writes of the body. Each access that the model gets is a doubleword or a part
    /// of one.
    public var isOwn: Bool

    /// Creates a capability of the PCI list or, if it has a version, of the PCI Express list.
    public init(
        id: UInt16, offset: UInt64, version: UInt8? = nil, body: [UInt8] = [], writable: [UInt8] = [],
        isOwn: Bool = false
    ) {
        self.id = id
        self.offset = offset
        self.version = version
        self.body = body
        self.writable = writable
        self.isOwn = isOwn
    }

    var headerSize: UInt64 { version == nil ? 2 : 4 }

    /// The bytes that the capability takes in configuration space, with its header.
    var size: UInt64 { headerSize + UInt64(body.count) }
}

extension FunctionDescription {
    /// Throws if a header cannot hold its ID or version, if a capability lies outside of its part of configuration space, or if
    /// two capabilities overlap.
    func validateCapabilities() throws(DescriptionError) {
        var taken: [Range<UInt64>] = []
        for capability in allCapabilities {
            let (id, offset) = (capability.id, capability.offset)
            // The header has 4 bits for the version, and for the ID 16 bits with a version and 8 bits without one.
            guard capability.version.map({ $0 < 16 }) ?? (id < 0x100) else {
                throw .capabilityHeader(id: id, version: capability.version)
            }
            let space: Range<UInt64> = capability.version == nil ? 0x40..<0x100 : 0x100..<ConfigSpace.size
            guard offset.isMultiple(of: 4), space.contains(offset), capability.size <= space.upperBound - offset else {
                throw .capabilityOutside(id: id, offset: offset)
            }
            let range = offset..<offset + capability.size
            guard !taken.contains(where: range.overlaps) else { throw .capabilityOverlap(id: id, offset: offset) }
            taken.append(range)
        }
    }
}

/// IDs of capabilities that functions have in common (PCI 3.0, appendix H).
enum CapabilityID {
    static let power: UInt16 = 0x01
    static let msi: UInt16 = 0x05
    static let express: UInt16 = 0x10
    static let msix: UInt16 = 0x11
}
