/// The receiver's bytes: a FIFO of 16 while FCR enables it, a single RBR while it does not.
struct ReceiveFIFO {
    /// Bytes that the enabled FIFO holds.
    static let depth = 16

    private var bytes: [UInt8] = []
    private(set) var isEnabled = false
    /// Bytes at which the FIFO asks for attention.
    private var trigger = 1

    var isEmpty: Bool { bytes.isEmpty }

    /// Bytes that still fit.
    var free: Int { (isEnabled ? ReceiveFIFO.depth : 1) - bytes.count }

    /// Whether received data is available or merely timing out; a single RBR is always at its level.
    var hasReachedTrigger: Bool { bytes.count >= (isEnabled ? trigger : 1) }

    /// Takes a received byte; false on an overrun.
    ///
    /// A full FIFO keeps what it has; a full RBR is overwritten (PC16550D, LSR bit 1).
    mutating func push(_ byte: UInt8) -> Bool {
        let fits = free > 0
        if fits {
            bytes.append(byte)
        } else if !isEnabled {
            bytes[0] = byte
        }
        return fits
    }

    /// Gives the oldest byte, or nil where there is none.
    mutating func pop() -> UInt8? {
        bytes.isEmpty ? nil : bytes.removeFirst()
    }

    /// Obeys a write to FCR.
    ///
    /// Without the enable bit the other bits are not programmed, and changing that bit empties the FIFO (PC16550D, FCR
    /// bit 0). The transmitter's FIFO is always empty and has nothing to reset.
    mutating func control(_ fcr: Serial16550.FCR) {
        let isEnabled = fcr.contains(.fifoEnable)
        if isEnabled != self.isEnabled || (isEnabled && fcr.contains(.receiverReset)) {
            bytes.removeAll(keepingCapacity: true)
        }
        self.isEnabled = isEnabled
        if isEnabled { trigger = fcr.trigger }
    }
}
