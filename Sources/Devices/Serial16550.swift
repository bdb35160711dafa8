/// A serial port: the PC16550D UART on eight ports, wired as on a PC.
///
/// It sends at any speed at once, so the transmitter is always empty. Bytes arrive through `receive`; since no clock
/// runs here, data below the FIFO's trigger level counts as timed out immediately. Breaks, parity, and word lengths
/// other than 8 are not modelled.
///
/// OUT2 gates the interrupt line. Loopback disconnects the chip from its pins, OUT2's included: the line stays low.
public struct Serial16550: Device {
    /// Ports that it takes.
    public static let size: UInt64 = 8

    /// The ISA interrupt that it raises.
    public let irq: UInt8

    /// Whether the guest has shown that it wants input: it read LSR or RBR, or enabled the received data interrupt.
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
    /// DLL and DLM, for 9600 baud until the guest says otherwise; it paces nothing.
    private var divisor: (low: UInt8, high: UInt8) = (12, 0)

    /// Whether the first two registers are the divisor latch.
    private var isLatchOpen: Bool { lcr & Self.dlab != 0 }

    /// Whether the port is meant for Linux. That reads and drops bytes when it looks for ports and opens them. So nothing arrives before it has
    /// opened the port, and it takes only what it has been told of.
    private let isForLinux: Bool
    /// Whether LSR or IIR has told the guest of received data.
    private var hasToldOfData = false

    /// A port that raises `irq`: 4 for COM1 and COM3, 3 for COM2 and COM4.
    public init(irq: UInt8 = 4, isForLinux: Bool = false) {
        self.irq = irq
        self.isForLinux = isForLinux
    }

    // MARK: The host's end

    /// Bytes that `receive` takes now without an overrun; none in loopback, where the input is disconnected, and none that Linux would drop.
    public var receiveCapacity: Int {
        mcr.contains(.loop) || isForLinux && !isOpen ? 0 : receiver.free
    }

    /// Takes a byte from the line; beyond `receiveCapacity` it overruns, and in loopback it is lost.
    public mutating func receive(_ byte: UInt8) -> DeviceEffects {
        if !mcr.contains(.loop) { accept(byte) }
        return DeviceEffects(line: lineChange())
    }

    /// Whether Linux has opened the port, which it does in this order: OUT2, the interrupt, the FIFOs.
    private var isOpen: Bool { mcr.contains(.out2) && ier.contains(.erbfi) && receiver.isEnabled }

    // MARK: The guest's end

    /// Reads `width` registers from `offset`: the chip has an 8-bit bus, so a wide access becomes byte accesses.
    public mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        var value: UInt64 = 0
        for lane in 0..<UInt64(width.rawValue) {
            value |= UInt64(readRegister(offset &+ lane)) << (8 * lane)
        }
        return DeviceReply(value, effects: DeviceEffects(line: lineChange()))
    }

    /// Writes `width` registers from `offset`, as many byte accesses in order.
    ///
    /// A wide access reaches THR at most once, so one output is enough; the line is reported as the last
    /// byte leaves it.
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

    /// Writes one register and gives the byte that leaves the port, if one does.
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

    private mutating func accept(_ byte: UInt8) {
        if !receiver.push(byte) { hasOverrun = true }
    }

    /// Takes the oldest received byte; 0 where there is none.
    private mutating func readRBR() -> UInt8 {
        hasBeenPolled = true
        return isForLinux && !hasToldOfData ? 0 : receiver.pop() ?? 0
    }

    private mutating func writeTHR(_ byte: UInt8) -> UInt8? {
        // The write ends the interrupt, and the byte that leaves at once begins it again.
        isTransmitInterruptPending = true
        guard mcr.contains(.loop) else { return byte }
        accept(byte)
        return nil
    }

    // MARK: Status

    private mutating func readLSR() -> UInt8 {
        hasBeenPolled = true
        var lsr: LSR = [.thre, .temt]
        if !receiver.isEmpty { lsr.insert(.dataReady) }
        hasToldOfData = !receiver.isEmpty
        if hasOverrun { lsr.insert(.overrunError) }
        hasOverrun = false
        return lsr.rawValue
    }

    private mutating func readMSR() -> UInt8 {
        defer { modemChanges = [] }
        return modemInputs.union(modemChanges).rawValue
    }

    /// The other end is always there and ready; in loopback MCR drives the inputs.
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
        // The transmitter is empty, so enabling its interrupt raises it.
        if value.contains(.etbei), !ier.contains(.etbei) { isTransmitInterruptPending = true }
        if value.contains(.erbfi) { hasBeenPolled = true }
        ier = value
    }

    /// The interrupt of highest priority that is enabled and pending (PC16550D, table IV).
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

    private mutating func readIIR() -> UInt8 {
        let interrupt = interrupt
        // Reading it as the cause is what ends this one; the others end where their registers are read.
        if interrupt == .receivedDataAvailable || interrupt == .characterTimeout { hasToldOfData = true }
        if interrupt == .transmitterHoldingRegisterEmpty { isTransmitInterruptPending = false }
        return (interrupt?.rawValue ?? Interrupt.nonePending) | (receiver.isEnabled ? Interrupt.fifosEnabled : 0)
    }

    /// The line's new level, where it differs from the one last reported.
    private mutating func lineChange() -> InterruptLine? {
        let reachesPin = mcr.contains(.out2) && !mcr.contains(.loop)
        let isRaised = reachesPin && interrupt != nil
        guard isRaised != isLineRaised else { return nil }
        isLineRaised = isRaised
        return InterruptLine(irq: irq, isRaised: isRaised)
    }
}
