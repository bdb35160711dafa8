public import Devices

/// The I/O BARs that all functions together decode.
///
/// An I/O BAR has nothing behind it but registers of the function, so every access exits to the monitor. If two BARs claim the same
/// port, the one with the lower segment, bus, device, function and BAR number has it.
public struct DecodedPorts: Sendable {
    /// An I/O BAR that is decoded.
    public struct Region: Sendable {
        /// The function and its BAR.
        public let owner: BAROwner
        /// The ports of the BAR.
        public let ports: Range<UInt64>
    }

    /// The I/O BARs that functions decode, whether or not bridges lead to them.
    private var decoded: [Region] = []
    /// The decoded I/O BARs to which bridges lead, in order of precedence. The list is empty if no function decodes an I/O BAR.
    public private(set) var regions: [Region] = []

    /// Creates ports among which nothing is decoded.
    public init() {}

    /// Returns the place that an access reaches, or nil if its ports are not all in one BAR.
    public func trapped(at port: UInt64, width: AccessWidth) -> TrappedPlace? {
        let last = port &+ UInt64(width.rawValue) &- 1
        guard let region = regions.first(where: { $0.ports.contains(port) && $0.ports.contains(last) }) else {
            return nil
        }
        return TrappedPlace(owner: region.owner, offset: port &- region.ports.lowerBound)
    }

    /// Takes over the I/O BARs that `function` decodes now, and what the bridges pass on now.
    public mutating func update(_ function: PCIFunction, through bridges: BridgeTree) {
        replace(function.address, by: function.decodedPorts, through: bridges)
    }

    /// Forgets the I/O BARs of a function, and takes over what the bridges pass on now.
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
