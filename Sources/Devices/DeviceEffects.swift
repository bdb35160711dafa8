/// What a device asks of the machine after an access; most ask for nothing.
public struct DeviceEffects: Equatable, Sendable {
    /// A byte for the guest's console.
    public var output: UInt8?
    /// The status to end the run with.
    public var exitStatus: UInt32?
    /// Whether the guest resets the machine.
    public var resets = false
    /// Whether the guest switches the machine off.
    public var powersOff = false
    /// The phase that the guest begins.
    public var phase: UInt8?
    /// The new level of an interrupt line; nil while it stays as it is.
    public var line: InterruptLine?
    /// Whether the guest would take input that is not there yet.
    public var wantsInput = false

    public init(
        output: UInt8? = nil, exitStatus: UInt32? = nil, phase: UInt8? = nil, line: InterruptLine? = nil
    ) {
        self.output = output
        self.exitStatus = exitStatus
        self.phase = phase
        self.line = line
    }

    /// Nothing to do.
    public static let none = DeviceEffects()

    /// Adds a change of the line that came after the one that is there. A line that falls and rises again is an edge, which a
    /// controller must see.
    mutating func follow(_ next: InterruptLine?) {
        guard let next else { return }
        let fell = line.map { !$0.isRaised } ?? false
        line = next
        line?.fallsFirst = fell && next.isRaised
    }
}

/// The level of one interrupt line.
public struct InterruptLine: Equatable, Sendable {
    /// The ISA interrupt number: 4 for COM1.
    public var irq: UInt8
    public var isRaised: Bool
    /// Whether a raised line was low for a moment.
    public var fallsFirst = false

    public init(irq: UInt8, isRaised: Bool) {
        self.irq = irq
        self.isRaised = isRaised
    }
}

/// A device's answer to a read.
public struct DeviceReply: Equatable, Sendable {
    /// The value read; bits above the width of the access mean nothing until the bus has masked them.
    public var value: UInt64
    public var effects: DeviceEffects

    public init(_ value: UInt64, effects: DeviceEffects = .none) {
        self.value = value
        self.effects = effects
    }
}
