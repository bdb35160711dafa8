public import Memslots

/// The parts of the address spaces in which BARs may lie.
public struct Apertures: Hashable, Sendable {
    /// The aperture below 4 GiB: 32-bit BARs, and ROMs behind them.
    public var low: GuestRange
    /// The aperture for 64-bit BARs; without one they go to the low aperture.
    public var high: GuestRange?
    /// The port numbers for I/O BARs.
    public var ports: ClosedRange<UInt16>

    public init(low: GuestRange, high: GuestRange? = nil, ports: ClosedRange<UInt16> = BoardPorts.aperture) {
        self.low = low
        self.high = high
        self.ports = ports
    }
}
