internal import Devices

/// What makes a function a bridge to another bus, as root ports and the ports of switches are (PCI-to-PCI Bridge Architecture
/// Specification 1.2; PCIe, 7.5.1.3).
public struct BridgeDescription: Hashable, Sendable {
    /// The number of the bus behind it, as the addresses of functions have it. Firmware gives the bus this number.
    public var secondary: UInt8
    /// The highest number of a bus that is reached through it.
    public var subordinate: UInt8
    /// Bytes that a window has at least, for devices that are plugged in later.
    public var reserve: [BridgeWindow: UInt64]
    /// Whether its bus is a slot, which takes one device with one function while the machine runs. The bridge is a port with the PCI Express
    /// capability for that (`CapabilityDescription.port`).
    public var hasSlot: Bool

    /// Creates the description of a bridge to the buses from `secondary` to `subordinate`.
    public init(secondary: UInt8, subordinate: UInt8, reserve: [BridgeWindow: UInt64] = [:], hasSlot: Bool = false) {
        self.hasSlot = hasSlot
        self.secondary = secondary
        self.subordinate = subordinate
        self.reserve = reserve
    }

    /// The address of the only function that a slot behind it takes.
    public func slot(segment: UInt8) -> FunctionAddress {
        FunctionAddress(requesterID: UInt16(secondary) << 8, segment: segment)
    }

    /// Whether a bus of its segment is behind it.
    public func leads(to bus: UInt8) -> Bool { secondary <= bus && bus <= subordinate }
}

/// One of the ranges that a bridge passes on to the bus behind it.
public enum BridgeWindow: UInt8, CaseIterable, Sendable {
    case ports, memory, prefetchable

    /// What people call it.
    public var name: String {
        self == .ports ? "I/O window" : self == .memory ? "memory window" : "prefetchable window"
    }

    /// A window begins at a multiple of so many bytes or ports, and ends at one.
    var granule: UInt64 { self == .ports ? 0x1000 : 0x10_0000 }

    /// Where its register lies.
    var offset: UInt64 { 0x1c + 4 * UInt64(rawValue) }

    /// The registers of the upper halves of base and limit of the prefetchable window.
    fileprivate static let upperBase: UInt64 = 0x28
    fileprivate static let upperLimit: UInt64 = 0x2c
}

extension ConfigOffset {
    /// The numbers of the buses before a bridge, behind it, and farthest behind it.
    static let busNumbers: UInt64 = 0x18
    /// The register of a bridge's ROM.
    static let bridgeROM: UInt64 = 0x38
    /// Behind the registers of a bridge's buses and windows.
    static let windowsEnd: UInt64 = 0x30
}

extension ConfigShape {
    /// The registers that a header of type 1 has in the place of BARs. After reset no window is open.
    static let bridgeRegisters: Registers = [
        ConfigOffset.headerType: (1 << 16, 0xff), ConfigOffset.busNumbers: (0, 0xff_ffff),
        BridgeWindow.ports.offset: (0x00f0, 0xf0f0), BridgeWindow.memory.offset: (0x0000_fff0, 0xfff0_fff0),
        BridgeWindow.prefetchable.offset: (0x0001_fff1, 0xfff0_fff0),
        BridgeWindow.upperBase: (0, .max), BridgeWindow.upperLimit: (0, .max),
    ]
}

extension PCIFunction {
    /// The addresses or ports that a bridge passes on through a window; nil where it passes none.
    public func range(of window: BridgeWindow) -> ClosedRange<UInt64>? {
        guard description.bridge != nil, window == .ports ? decodesPorts : decodesMemory else { return nil }
        let register = UInt64(config[register: window.offset])
        var (base, limit) = ((register & 0xfff0) << 16, (register >> 16 & 0xfff0) << 16)
        switch window {
        case .ports: (base, limit) = ((register & 0xf0) << 8, register & 0xf000)
        case .memory: break
        case .prefetchable:
            base |= UInt64(config[register: BridgeWindow.upperBase]) << 32
            limit |= UInt64(config[register: BridgeWindow.upperLimit]) << 32
        }
        limit |= window.granule - 1
        return base <= limit ? base...limit : nil
    }

    /// Opens a window as software does. The caller turns decode on.
    mutating func setWindow(_ window: BridgeWindow, base: UInt64, size: UInt64) {
        let limit = base &+ (size &- 1)
        guard window != .ports else {
            return config.write(base >> 8 & 0xf0 | limit & 0xf000, at: window.offset, width: .word)
        }
        config.write(base >> 16 & 0xfff0 | limit & 0xfff0_0000, at: window.offset, width: .doubleword)
        guard window == .prefetchable else { return }
        config.write(base >> 32, at: BridgeWindow.upperBase, width: .doubleword)
        config.write(limit >> 32, at: BridgeWindow.upperLimit, width: .doubleword)
    }

    /// The numbers of the buses behind a bridge, as software has set them.
    var busNumbers: (secondary: UInt8, subordinate: UInt8) {
        let register = config[register: ConfigOffset.busNumbers]
        return (UInt8(truncatingIfNeeded: register >> 8), UInt8(truncatingIfNeeded: register >> 16))
    }

    /// Gives the buses around a bridge the numbers that addresses have, as firmware does. Does nothing to another function.
    public mutating func numberBuses() {
        guard let bridge = description.bridge else { return }
        config.set(
            config[register: ConfigOffset.busNumbers] & 0xff00_0000 | UInt32(bridge.subordinate) << 16 | UInt32(
                bridge.secondary) << 8 | UInt32(address.bus),
            at: ConfigOffset.busNumbers)
    }
}
