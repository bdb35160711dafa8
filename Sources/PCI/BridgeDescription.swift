internal import Devices

/// The part of a function's description that makes the function a bridge to another bus, such as a root port or a port of a switch
/// (PCI-to-PCI Bridge Architecture Specification 1.2; PCIe, 7.5.1.3).
public struct BridgeDescription: Hashable, Sendable {
    /// The number of the bus directly behind the bridge, as it is in the addresses of functions (`FunctionAddress`). Firmware gives
    /// the bus this number.
    public var secondary: UInt8
    /// The highest number of a bus behind the bridge.
    public var subordinate: UInt8
    /// The smallest size of each window in bytes or ports. It leaves room for devices that are plugged in later.
    public var reserve: [BridgeWindow: UInt64]
    /// Whether the bus behind the bridge is the slot of a port, which takes one device with one function while the machine runs.
    /// The bridge must then be a port with the PCI Express capability for that (`CapabilityDescription.port`).
    public var hasSlot: Bool

    /// Creates the description of a bridge to the buses from `secondary` to `subordinate`.
    public init(secondary: UInt8, subordinate: UInt8, reserve: [BridgeWindow: UInt64] = [:], hasSlot: Bool = false) {
        self.hasSlot = hasSlot
        self.secondary = secondary
        self.subordinate = subordinate
        self.reserve = reserve
    }

    /// Returns the address of the only function that the slot behind the bridge takes.
    public func slot(segment: UInt8) -> FunctionAddress {
        FunctionAddress(requesterID: UInt16(secondary) << 8, segment: segment)
    }

    /// Returns whether a bus of the bridge's segment is behind the bridge.
    public func leads(to bus: UInt8) -> Bool { secondary <= bus && bus <= subordinate }
}

/// A range of addresses or ports that a bridge passes on to the bus behind it. The cases are in the order of the registers.
public enum BridgeWindow: UInt8, CaseIterable, Sendable {
    /// The window for ports, the window for 32-bit addresses, and the window for prefetchable memory.
    case ports, memory, prefetchable

    /// The name of the window for people.
    public var name: String {
        self == .ports ? "I/O window" : self == .memory ? "memory window" : "prefetchable window"
    }

    /// The unit of a window in bytes or ports: the window begins and ends at multiples of it.
    var granule: UInt64 { self == .ports ? 0x1000 : 0x10_0000 }

    /// The offset of the window's register in configuration space.
    var offset: UInt64 { 0x1c + 4 * UInt64(rawValue) }

    /// The registers with the upper halves of the prefetchable window's base and limit.
    fileprivate static let upperBase: UInt64 = 0x28
    fileprivate static let upperLimit: UInt64 = 0x2c
}

extension ConfigOffset {
    /// The register with the numbers of a bridge's buses: the bus that the bridge is on, the bus behind the bridge, and the
    /// farthest bus behind it.
    static let busNumbers: UInt64 = 0x18
    /// The register of a bridge's ROM.
    static let bridgeROM: UInt64 = 0x38
    /// The end of the registers with a bridge's bus numbers and windows.
    static let windowsEnd: UInt64 = 0x30
}

extension ConfigShape {
    /// The registers in which a header of type 1, that of a bridge, differs from type 0. After reset no window is open.
    static let bridgeRegisters: Registers = [
        ConfigOffset.headerType: (1 << 16, 0xff), ConfigOffset.busNumbers: (0, 0xff_ffff),
        BridgeWindow.ports.offset: (0x00f0, 0xf0f0), BridgeWindow.memory.offset: (0x0000_fff0, 0xfff0_fff0),
        BridgeWindow.prefetchable.offset: (0x0001_fff1, 0xfff0_fff0),
        BridgeWindow.upperBase: (0, .max), BridgeWindow.upperLimit: (0, .max),
    ]
}

extension PCIFunction {
    /// Returns the addresses or ports that the bridge passes on through a window, or nil if it passes none on.
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

    /// Writes the registers of a window as software does. The window is open once the caller turns decode on.
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

    /// Sets the bridge's bus numbers to those that the addresses of functions have, as firmware does. Does nothing if the function
    /// is not a bridge.
    public mutating func numberBuses() {
        guard let bridge = description.bridge else { return }
        config.set(
            config[register: ConfigOffset.busNumbers] & 0xff00_0000 | UInt32(bridge.subordinate) << 16 | UInt32(
                bridge.secondary) << 8 | UInt32(address.bus),
            at: ConfigOffset.busNumbers)
    }
}
