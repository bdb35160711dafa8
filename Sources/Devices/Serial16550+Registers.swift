/// The registers of the PC16550D, by the names of its data sheet.
extension Serial16550 {
    /// The offset of a register from the base port. While DLAB is set in LCR, the first two offsets reach the divisor latch
    /// instead.
    enum Register: UInt64 {
        /// RBR on reads and THR on writes, or DLL while DLAB is set.
        case data = 0
        /// IER, or DLM while DLAB is set.
        case interruptEnable = 1
        /// IIR on reads and FCR on writes.
        case interruptIdentification = 2
        case lineControl = 3
        case modemControl = 4
        case lineStatus = 5
        case modemStatus = 6
        case scratch = 7
    }

    /// The interrupt enable register. Bits 4 to 7 are always 0.
    struct IER: OptionSet {
        let rawValue: UInt8

        /// Received data is available, or the characters have timed out.
        static let erbfi = IER(rawValue: 0x01)
        /// The transmitter holding register is empty.
        static let etbei = IER(rawValue: 0x02)
        /// The receiver's line status has changed.
        static let elsi = IER(rawValue: 0x04)
        /// The modem status has changed.
        static let edssi = IER(rawValue: 0x08)
        static let implemented: IER = [.erbfi, .etbei, .elsi, .edssi]
    }

    /// The cause of an interrupt, in bits 0 to 3 of the interrupt identification register. Causes are listed by priority, the
    /// highest first.
    enum Interrupt: UInt8 {
        case receiverLineStatus = 0x06
        case receivedDataAvailable = 0x04
        case characterTimeout = 0x0c
        case transmitterHoldingRegisterEmpty = 0x02
        case modemStatus = 0x00

        /// The value of IIR if no interrupt is pending.
        static let nonePending: UInt8 = 0x01
        /// Bits 6 and 7 of IIR, which say that the FIFOs are enabled.
        static let fifosEnabled: UInt8 = 0xc0
    }

    /// The FIFO control register.
    struct FCR: OptionSet {
        let rawValue: UInt8

        static let fifoEnable = FCR(rawValue: 0x01)
        static let receiverReset = FCR(rawValue: 0x02)

        /// The receiver's trigger level in bytes, from bits 6 and 7.
        var trigger: Int {
            switch rawValue >> 6 {
            case 0: 1
            case 1: 4
            case 2: 8
            default: 14
            }
        }
    }

    /// The divisor latch access bit of the line control register. The other bits of that register have no effect here.
    static let dlab: UInt8 = 0x80

    /// The modem control register. Bits 5 to 7 are always 0.
    struct MCR: OptionSet {
        let rawValue: UInt8

        static let dtr = MCR(rawValue: 0x01)
        static let rts = MCR(rawValue: 0x02)
        static let out1 = MCR(rawValue: 0x04)
        static let out2 = MCR(rawValue: 0x08)
        static let loop = MCR(rawValue: 0x10)
        static let implemented: MCR = [.dtr, .rts, .out1, .out2, .loop]
    }

    /// The line status register.
    struct LSR: OptionSet {
        let rawValue: UInt8

        static let dataReady = LSR(rawValue: 0x01)
        static let overrunError = LSR(rawValue: 0x02)
        static let thre = LSR(rawValue: 0x20)
        static let temt = LSR(rawValue: 0x40)
    }

    /// The modem status register: the four inputs in bits 4 to 7, and in bits 0 to 3 the changes since the last read.
    struct MSR: OptionSet {
        let rawValue: UInt8

        static let cts = MSR(rawValue: 0x10)
        static let dsr = MSR(rawValue: 0x20)
        static let ri = MSR(rawValue: 0x40)
        static let dcd = MSR(rawValue: 0x80)

        /// Returns the change bits for inputs that went from `old` to `new`. For RI only its trailing edge counts (TERI).
        static func changes(from old: MSR, to new: MSR) -> MSR {
            let counted = old.symmetricDifference(new).subtracting(new.intersection(.ri))
            return MSR(rawValue: counted.rawValue >> 4)
        }
    }
}
