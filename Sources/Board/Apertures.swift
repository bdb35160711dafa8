public import Memslots

/// The ranges of memory and of ports in which BARs may lie.
public struct Apertures: Hashable, Sendable {
    /// The aperture below 4 GiB, for 32-bit BARs and ROMs.
    public var low: GuestRange
    /// The aperture for 64-bit BARs. If there is none, they go to the low aperture.
    public var high: GuestRange?
    /// The port numbers for I/O BARs.
    public var ports: ClosedRange<UInt16>

    /// Creates apertures. I/O BARs lie where the board has them, unless told otherwise.
    public init(low: GuestRange, high: GuestRange? = nil, ports: ClosedRange<UInt16> = BoardPorts.aperture) {
        self.low = low
        self.high = high
        self.ports = ports
    }
}
