public import Devices

/// What all functions together decode among the ports.
///
/// Nothing lies behind an I/O BAR but registers of the function: every access exits to the monitor. Where two claim the
/// same port, the lower bus, device, function and BAR wins.
public struct DecodedPorts: Sendable {
    /// An I/O BAR that is decoded.
    public struct Region: Sendable {
        public let owner: BAROwner
        public let ports: Range<UInt64>
    }

    /// In order of precedence; empty where no function has an I/O BAR.
    public private(set) var regions: [Region] = []

    public init() {}

    /// Who answers an access; nil where its ports are not all in one BAR.
    public func trapped(at port: UInt64, width: AccessWidth) -> TrappedPlace? {
        let last = port &+ UInt64(width.rawValue) &- 1
        guard let region = regions.first(where: { $0.ports.contains(port) && $0.ports.contains(last) }) else {
            return nil
        }
        return TrappedPlace(owner: region.owner, offset: port &- region.ports.lowerBound)
    }

    /// Takes over what `function` decodes now.
    public mutating func update(_ function: PCIFunction) {
        remove(function.address)
        let place = regions.firstIndex { $0.owner.function > function.address } ?? regions.endIndex
        regions.insert(contentsOf: function.decodedPorts, at: place)
    }

    public mutating func remove(_ function: FunctionAddress) {
        regions.removeAll { $0.owner.function == function }
    }
}
