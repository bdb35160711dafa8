/// A serial port together with the input that waits for the guest.
public struct SerialConsole: Device {
    private var port: Serial16550
    private var input: [UInt8] = []
    private var taken = 0
    private var hasEnded = false

    /// The byte that tells the guest of the end of the input, as Ctrl-D would on a serial terminal (EOT).
    private static let endOfTransmission: UInt8 = 0x04

    /// Creates a console without input.
    public init(_ port: Serial16550 = Serial16550()) {
        self.port = port
    }

    /// Reads a register of the port, and then passes on input if the port has room.
    public mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        var reply = port.read(at: offset, width: width)
        feed(&reply.effects)
        return reply
    }

    /// Writes a register of the port, and then passes on input if the port has room.
    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        var effects = port.write(value, at: offset, width: width)
        feed(&effects)
        return effects
    }

    /// Takes the next bytes of the input, behind those that still wait: a vCPU may have asked again just before they came. No bytes
    /// mean the end of the input.
    public mutating func receive(_ read: [UInt8]) -> DeviceEffects {
        guard !hasEnded else { return .none }
        hasEnded = read.isEmpty
        input.removeFirst(taken)
        taken = 0
        input += hasEnded ? [Self.endOfTransmission] : read
        var effects = DeviceEffects.none
        feed(&effects)
        return effects
    }

    /// Gives the port as much of the input as it takes, and asks for more if the guest would take more.
    private mutating func feed(_ effects: inout DeviceEffects) {
        while taken < input.count, port.receiveCapacity > 0 {
            effects.follow(port.receive(input[taken]).line)
            taken += 1
        }
        effects.wantsInput =
            taken == input.count && !hasEnded && port.hasBeenPolled && port.receiveCapacity > 0
    }
}
