/// What a device wants of the machine after an access. Most accesses want nothing.
public struct DeviceEffects: Equatable, Sendable {
    /// A byte for the guest's console.
    public var output: UInt8?
    /// The status with which the run is to end.
    public var exitStatus: UInt32?
    /// Whether the machine is to be reset.
    public var resets = false
    /// Whether the machine is to be switched off.
    public var powersOff = false
    /// The phase that begins.
    public var phase: UInt8?
    /// The new level of an interrupt line, or nil if the level stays as it is.
    public var line: InterruptLine?
    /// Whether the device wants input: the guest would take some now, and the device has none left.
    public var wantsInput = false

    /// Creates effects. An effect that is left out does not take place.
    public init(
        output: UInt8? = nil, exitStatus: UInt32? = nil, phase: UInt8? = nil, line: InterruptLine? = nil
    ) {
        self.output = output
        self.exitStatus = exitStatus
        self.phase = phase
        self.line = line
    }

    /// No effect.
    public static let none = DeviceEffects()

    /// Adds a change of the interrupt line to an earlier one.
    ///
    /// A line that falls and rises again makes an edge, which an interrupt controller must see.
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
    /// Whether the line is high.
    public var isRaised: Bool
    /// Whether a line that is high now was low for a moment before.
    public var fallsFirst = false

    /// Creates the level of a line.
    public init(irq: UInt8, isRaised: Bool) {
        self.irq = irq
        self.isRaised = isRaised
    }
}

/// A device's answer to a read.
public struct DeviceReply: Equatable, Sendable {
    /// The value that the guest reads. Bits above the width of the access have no meaning, and the bus masks them.
    public var value: UInt64
    /// What the device wants of the machine.
    public var effects: DeviceEffects

    /// Creates an answer.
    public init(_ value: UInt64, effects: DeviceEffects = .none) {
        self.value = value
        self.effects = effects
    }
}
