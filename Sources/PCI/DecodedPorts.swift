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

    /// What functions decode, whether or not bridges lead there.
    private var decoded: [Region] = []
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

    /// Takes over what `function` decodes now, and what bridges pass on.
    public mutating func update(_ function: PCIFunction, through bridges: BridgeTree) {
        replace(function.address, by: function.decodedPorts, through: bridges)
    }

    public mutating func remove(_ function: FunctionAddress, through bridges: BridgeTree) {
        replace(function, by: [], through: bridges)
    }

    private mutating func replace(_ function: FunctionAddress, by new: [Region], through bridges: BridgeTree) {
        decoded.removeAll { $0.owner.function == function }
        let place = decoded.firstIndex { $0.owner.function > function } ?? decoded.endIndex
        decoded.insert(contentsOf: new, at: place)
        regions =
            bridges.isEmpty
            ? decoded
            : decoded.filter { region in
                let ports = region.ports.lowerBound...region.ports.upperBound - 1
                return bridges.passes(ports, through: [.ports], to: region.owner.function)
            }
    }
}
