/// The registers of the PC16550D, by the names of its data sheet.
extension Serial16550 {
    /// Offsets from the base port; the first two reach the divisor latch while LCR has DLAB set.
    enum Register: UInt64 {
        /// RBR on reads, THR on writes, or DLL.
        case data = 0
        /// IER, or DLM.
        case interruptEnable = 1
        /// IIR on reads, FCR on writes.
        case interruptIdentification = 2
        case lineControl = 3
        case modemControl = 4
        case lineStatus = 5
        case modemStatus = 6
        case scratch = 7
    }

    /// Interrupt enable register; bits 4 to 7 are always 0.
    struct IER: OptionSet {
        let rawValue: UInt8

        /// Received data available, and the character timeout.
        static let erbfi = IER(rawValue: 0x01)
        /// Transmitter holding register empty.
        static let etbei = IER(rawValue: 0x02)
        /// Receiver line status.
        static let elsi = IER(rawValue: 0x04)
        /// Modem status.
        static let edssi = IER(rawValue: 0x08)
        static let implemented: IER = [.erbfi, .etbei, .elsi, .edssi]
    }

    /// Interrupt identification register: bits 0 to 3 of each cause, ordered by priority below.
    enum Interrupt: UInt8 {
        case receiverLineStatus = 0x06
        case receivedDataAvailable = 0x04
        case characterTimeout = 0x0c
        case transmitterHoldingRegisterEmpty = 0x02
        case modemStatus = 0x00

        /// IIR while nothing is pending.
        static let nonePending: UInt8 = 0x01
        /// IIR bits 6 and 7: FIFOs enabled.
        static let fifosEnabled: UInt8 = 0xc0
    }

    /// FIFO control register.
    struct FCR: OptionSet {
        let rawValue: UInt8

        static let fifoEnable = FCR(rawValue: 0x01)
        static let receiverReset = FCR(rawValue: 0x02)

        /// The receiver's trigger level in bytes: bits 6 and 7.
        var trigger: Int {
            switch rawValue >> 6 {
            case 0: 1
            case 1: 4
            case 2: 8
            default: 14
            }
        }
    }

    /// The divisor latch access bit of the line control register, the only one that does anything here.
    static let dlab: UInt8 = 0x80

    /// Modem control register; bits 5 to 7 are always 0.
    struct MCR: OptionSet {
        let rawValue: UInt8

        static let dtr = MCR(rawValue: 0x01)
        static let rts = MCR(rawValue: 0x02)
        static let out1 = MCR(rawValue: 0x04)
        static let out2 = MCR(rawValue: 0x08)
        static let loop = MCR(rawValue: 0x10)
        static let implemented: MCR = [.dtr, .rts, .out1, .out2, .loop]
    }

    /// Line status register.
    struct LSR: OptionSet {
        let rawValue: UInt8

        static let dataReady = LSR(rawValue: 0x01)
        static let overrunError = LSR(rawValue: 0x02)
        static let thre = LSR(rawValue: 0x20)
        static let temt = LSR(rawValue: 0x40)
    }

    /// Modem status register: the four inputs in bits 4 to 7, what changed since the last read in bits 0 to 3.
    struct MSR: OptionSet {
        let rawValue: UInt8

        static let cts = MSR(rawValue: 0x10)
        static let dsr = MSR(rawValue: 0x20)
        static let ri = MSR(rawValue: 0x40)
        static let dcd = MSR(rawValue: 0x80)

        /// The change bits for inputs that went from `old` to `new`; RI counts only its trailing edge (TERI).
        static func changes(from old: MSR, to new: MSR) -> MSR {
            let counted = old.symmetricDifference(new).subtracting(new.intersection(.ri))
            return MSR(rawValue: counted.rawValue >> 4)
        }
    }
}
