/// A serial port: the UART PC16550D at eight ports, wired as in a PC.
///
/// The port sends each byte at once, whatever its speed, so the transmitter is always empty. Bytes arrive through `receive`. The
/// port has no clock, so received data below the FIFO's trigger level times out immediately. Breaks, parity, and word lengths other
/// than 8 bits are not modelled.
///
/// OUT2 gates the interrupt line. Loopback disconnects the chip from its pins, including that of OUT2, so that the line stays low.
public struct Serial16550: Device {
    /// The number of ports.
    public static let size: UInt64 = 8

    /// The number of the ISA interrupt that the port raises.
    public let irq: UInt8

    /// Whether the guest has shown that it wants input, by reading LSR or RBR or by enabling the received data interrupt.
    public private(set) var hasBeenPolled = false

    private var receiver = ReceiveFIFO()
    private var hasOverrun = false
    private var isTransmitInterruptPending = false
    private var modemChanges: MSR = []
    private var isLineRaised = false

    private var ier: IER = []
    private var lcr: UInt8 = 0
    private var mcr: MCR = []
    private var scr: UInt8 = 0
    /// The divisor latch: DLL and DLM, which select 9600 baud until the guest writes them. The speed has no effect.
    private var divisor: (low: UInt8, high: UInt8) = (12, 0)

    /// Whether the first two offsets reach the divisor latch.
    private var isLatchOpen: Bool { lcr & Self.dlab != 0 }

    /// Whether the guest is Linux. Linux reads and drops bytes while it looks for ports and while it opens one. So for Linux no
    /// byte arrives before the guest has opened the port, and a read gives a byte only after the guest was told that there is data.
    private let isForLinux: Bool
    /// Whether LSR or IIR has told the guest that there is received data.
    private var hasToldOfData = false

    /// Creates a port that raises an ISA interrupt: 4 for COM1 and COM3, 3 for COM2 and COM4.
    public init(irq: UInt8 = 4, isForLinux: Bool = false) {
        self.irq = irq
        self.isForLinux = isForLinux
    }

    // MARK: The host's end

    /// The number of bytes that `receive` takes now without an overrun. It is 0 in loopback, where the input is disconnected, and
    /// while Linux would drop the bytes.
    public var receiveCapacity: Int {
        mcr.contains(.loop) || isForLinux && !isOpen ? 0 : receiver.free
    }

    /// Takes a byte from the serial line. A byte beyond `receiveCapacity` causes an overrun, and a byte in loopback is lost.
    public mutating func receive(_ byte: UInt8) -> DeviceEffects {
        if !mcr.contains(.loop) { accept(byte) }
        return DeviceEffects(line: lineChange())
    }

    /// Whether Linux has opened the port. Linux sets OUT2, then enables the interrupt, then enables the FIFOs.
    private var isOpen: Bool { mcr.contains(.out2) && ier.contains(.erbfi) && receiver.isEnabled }

    // MARK: The guest's end

    /// Reads `width` registers from `offset` on. The chip has an 8-bit bus, so a wide access becomes several byte accesses.
    public mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        var value: UInt64 = 0
        for lane in 0..<UInt64(width.rawValue) {
            value |= UInt64(readRegister(offset &+ lane)) << (8 * lane)
        }
        return DeviceReply(value, effects: DeviceEffects(line: lineChange()))
    }

    /// Writes `width` registers from `offset` on, as that many byte accesses in order.
    ///
    /// A wide access reaches THR at most once, so the effects need room for one byte of output. The interrupt line gets the level
    /// that it has after the last byte.
    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        var effects = DeviceEffects.none
        for lane in 0..<UInt64(width.rawValue) {
            let byte = UInt8(truncatingIfNeeded: value >> (8 * lane))
            if let output = writeRegister(offset &+ lane, byte) { effects.output = output }
        }
        effects.line = lineChange()
        return effects
    }

    private mutating func readRegister(_ offset: UInt64) -> UInt8 {
        switch Register(rawValue: offset) {
        case .data: isLatchOpen ? divisor.low : readRBR()
        case .interruptEnable: isLatchOpen ? divisor.high : ier.rawValue
        case .interruptIdentification: readIIR()
        case .lineControl: lcr
        case .modemControl: mcr.rawValue
        case .lineStatus: readLSR()
        case .modemStatus: readMSR()
        case .scratch: scr
        case nil: 0xff
        }
    }

    /// Writes one register. Returns the byte that the port sends, or nil if it sends none.
    private mutating func writeRegister(_ offset: UInt64, _ value: UInt8) -> UInt8? {
        switch Register(rawValue: offset) {
        case .data where isLatchOpen: divisor.low = value
        case .data: return writeTHR(value)
        case .interruptEnable where isLatchOpen: divisor.high = value
        case .interruptEnable: writeIER(IER(rawValue: value).intersection(.implemented))
        case .interruptIdentification: receiver.control(FCR(rawValue: value))
        case .lineControl: lcr = value
        case .modemControl: writeMCR(MCR(rawValue: value).intersection(.implemented))
        case .scratch: scr = value
        case .lineStatus, .modemStatus, nil: break
        }
        return nil
    }

    // MARK: Data

    /// Puts a byte into the receiver, and notes an overrun.
    private mutating func accept(_ byte: UInt8) {
        if !receiver.push(byte) { hasOverrun = true }
    }

    /// Removes and returns the oldest received byte, or returns 0 if there is none.
    private mutating func readRBR() -> UInt8 {
        hasBeenPolled = true
        return isForLinux && !hasToldOfData ? 0 : receiver.pop() ?? 0
    }

    /// Takes a byte to send. Returns the byte, or nil in loopback, where the port's own receiver gets it.
    private mutating func writeTHR(_ byte: UInt8) -> UInt8? {
        // The write ends the transmitter's interrupt. The byte leaves at once, so the interrupt begins again.
        isTransmitInterruptPending = true
        guard mcr.contains(.loop) else { return byte }
        accept(byte)
        return nil
    }

    // MARK: Status

    /// Reads the line status register. The read clears the overrun error.
    private mutating func readLSR() -> UInt8 {
        hasBeenPolled = true
        var lsr: LSR = [.thre, .temt]
        if !receiver.isEmpty { lsr.insert(.dataReady) }
        hasToldOfData = !receiver.isEmpty
        if hasOverrun { lsr.insert(.overrunError) }
        hasOverrun = false
        return lsr.rawValue
    }

    /// Reads the modem status register. The read clears the change bits.
    private mutating func readMSR() -> UInt8 {
        defer { modemChanges = [] }
        return modemInputs.union(modemChanges).rawValue
    }

    /// The inputs from the modem. The other end is always present and ready. In loopback, bits of MCR drive the inputs.
    private var modemInputs: MSR {
        guard mcr.contains(.loop) else { return [.dcd, .dsr, .cts] }
        var inputs: MSR = []
        if mcr.contains(.rts) { inputs.insert(.cts) }
        if mcr.contains(.dtr) { inputs.insert(.dsr) }
        if mcr.contains(.out1) { inputs.insert(.ri) }
        if mcr.contains(.out2) { inputs.insert(.dcd) }
        return inputs
    }

    private mutating func writeMCR(_ value: MCR) {
        let before = modemInputs
        mcr = value
        modemChanges.formUnion(.changes(from: before, to: modemInputs))
    }

    // MARK: Interrupts

    private mutating func writeIER(_ value: IER) {
        // The transmitter is always empty, so enabling its interrupt raises it.
        if value.contains(.etbei), !ier.contains(.etbei) { isTransmitInterruptPending = true }
        if value.contains(.erbfi) { hasBeenPolled = true }
        ier = value
    }

    /// The pending and enabled interrupt of the highest priority, or nil (PC16550D, table IV).
    private var interrupt: Interrupt? {
        if ier.contains(.elsi), hasOverrun {
            .receiverLineStatus
        } else if ier.contains(.erbfi), !receiver.isEmpty {
            receiver.hasReachedTrigger ? .receivedDataAvailable : .characterTimeout
        } else if ier.contains(.etbei), isTransmitInterruptPending {
            .transmitterHoldingRegisterEmpty
        } else if ier.contains(.edssi), !modemChanges.isEmpty {
            .modemStatus
        } else {
            nil
        }
    }

    /// Reads the interrupt identification register.
    private mutating func readIIR() -> UInt8 {
        let interrupt = interrupt
        // Only the transmitter's interrupt ends when IIR names it as the cause. The other interrupts end when their registers are
        // read.
        if interrupt == .receivedDataAvailable || interrupt == .characterTimeout { hasToldOfData = true }
        if interrupt == .transmitterHoldingRegisterEmpty { isTransmitInterruptPending = false }
        return (interrupt?.rawValue ?? Interrupt.nonePending) | (receiver.isEnabled ? Interrupt.fifosEnabled : 0)
    }

    /// Returns the new level of the interrupt line, or nil if it is the level that was reported last.
    private mutating func lineChange() -> InterruptLine? {
        let reachesPin = mcr.contains(.out2) && !mcr.contains(.loop)
        let isRaised = reachesPin && interrupt != nil
        guard isRaised != isLineRaised else { return nil }
        isLineRaised = isRaised
        return InterruptLine(irq: irq, isRaised: isRaised)
    }
}
