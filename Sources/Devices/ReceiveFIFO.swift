/// The bytes that the receiver has received: a FIFO of 16 bytes while FCR enables it, and otherwise a single register (RBR).
struct ReceiveFIFO {
    /// The number of bytes that the enabled FIFO holds.
    static let depth = 16

    private var bytes: [UInt8] = []
    private(set) var isEnabled = false
    /// The trigger level: the FIFO reports received data once it holds this many bytes.
    private var trigger = 1

    var isEmpty: Bool { bytes.isEmpty }

    /// The number of bytes for which there is room.
    var free: Int { (isEnabled ? ReceiveFIFO.depth : 1) - bytes.count }

    /// Whether the FIFO has as many bytes as its trigger level. Below that level, received bytes are only reported by the character
    /// timeout. The level of a single RBR is 1.
    var hasReachedTrigger: Bool { bytes.count >= (isEnabled ? trigger : 1) }

    /// Takes a received byte. Returns false on an overrun.
    ///
    /// A full FIFO keeps its bytes and loses the new one. A full RBR is overwritten (PC16550D, LSR bit 1).
    mutating func push(_ byte: UInt8) -> Bool {
        let fits = free > 0
        if fits {
            bytes.append(byte)
        } else if !isEnabled {
            bytes[0] = byte
        }
        return fits
    }

    /// Removes and returns the oldest byte, or returns nil if there is none.
    mutating func pop() -> UInt8? {
        bytes.isEmpty ? nil : bytes.removeFirst()
    }

    /// Carries out a write to FCR.
    ///
    /// If the enable bit is clear, the other bits have no effect. A change of the enable bit empties the FIFO (PC16550D, FCR bit
    /// 0). The transmitter's FIFO is always empty, so resetting it does nothing.
    mutating func control(_ fcr: Serial16550.FCR) {
        let isEnabled = fcr.contains(.fifoEnable)
        if isEnabled != self.isEnabled || (isEnabled && fcr.contains(.receiverReset)) {
            bytes.removeAll(keepingCapacity: true)
        }
        self.isEnabled = isEnabled
        if isEnabled { trigger = fcr.trigger }
    }
}
