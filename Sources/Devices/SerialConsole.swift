/// A serial port, and the input that waits until the guest takes it.
public struct SerialConsole: Device {
    private var port: Serial16550
    private var input: [UInt8] = []
    private var taken = 0
    private var hasEnded = false

    /// The byte that tells the guest that the input has ended (EOT). Ctrl-D sends it on a serial terminal.
    private static let endOfTransmission: UInt8 = 0x04

    /// Creates a console without input.
    public init(_ port: Serial16550 = Serial16550()) {
        self.port = port
    }

    /// Reads a register of the port. Afterwards passes input on to the port if it has room.
    public mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        var reply = port.read(at: offset, width: width)
        feed(&reply.effects)
        return reply
    }

    /// Writes a register of the port. Afterwards passes input on to the port if it has room.
    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        var effects = port.write(value, at: offset, width: width)
        feed(&effects)
        return effects
    }

    /// Takes bytes that the user has typed, and puts them after the input that still waits. There may be such input, because a vCPU
    /// may have asked for input a second time just before these bytes came. No bytes mean the end of the input.
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

    /// Passes on as much of the input as the port takes. Asks for more if the port would take more.
    private mutating func feed(_ effects: inout DeviceEffects) {
        while taken < input.count, port.receiveCapacity > 0 {
            effects.follow(port.receive(input[taken]).line)
            taken += 1
        }
        effects.wantsInput =
            taken == input.count && !hasEnded && port.hasBeenPolled && port.receiveCapacity > 0
    }
}
