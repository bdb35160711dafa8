public import Memslots

/// The ranges of memory and of ports in which BARs may lie.
public struct Apertures: Hashable, Sendable {
    /// The aperture below 4 GiB, for 32-bit BARs and ROMs.
    public var low: GuestRange
    /// The aperture for 64-bit BARs. If it is nil, 64-bit BARs go to the low aperture.
    public var high: GuestRange?
    /// The ports for I/O BARs.
    public var ports: ClosedRange<UInt16>

    /// Creates apertures. Without `ports`, I/O BARs lie in the range that the board keeps for them (`BoardPorts.aperture`).
    public init(low: GuestRange, high: GuestRange? = nil, ports: ClosedRange<UInt16> = BoardPorts.aperture) {
        self.low = low
        self.high = high
        self.ports = ports
    }
}
