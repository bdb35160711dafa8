public import Memslots

/// Where BARs may lie.
public struct Apertures: Hashable, Sendable {
    /// Below 4 GiB: 32-bit BARs, and ROMs behind them.
    public var low: GuestRange
    /// 64-bit BARs; nil sends them to the low aperture.
    public var high: GuestRange?
    /// Port numbers for I/O BARs.
    public var ports: ClosedRange<UInt16>

    public init(low: GuestRange, high: GuestRange? = nil, ports: ClosedRange<UInt16> = 0xc000...0xffff) {
        self.low = low
        self.high = high
        self.ports = ports
    }
}
