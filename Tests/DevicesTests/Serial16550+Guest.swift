import Devices

/// Register offsets, by the data sheet's names.
enum Port {
    static let rbr: UInt64 = 0
    static let thr: UInt64 = 0
    static let dll: UInt64 = 0
    static let ier: UInt64 = 1
    static let dlm: UInt64 = 1
    static let iir: UInt64 = 2
    static let fcr: UInt64 = 2
    static let lcr: UInt64 = 3
    static let mcr: UInt64 = 4
    static let lsr: UInt64 = 5
    static let msr: UInt64 = 6
    static let scr: UInt64 = 7
}

/// Byte accesses, as a guest's `in` and `out` make them.
extension Serial16550 {
    mutating func input(_ port: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: read(at: port, width: .byte).value)
    }

    @discardableResult
    mutating func output(_ value: UInt8, _ port: UInt64) -> DeviceEffects {
        write(UInt64(value), at: port, width: .byte)
    }

    @discardableResult
    mutating func receive(count: Int) -> DeviceEffects {
        var effects = DeviceEffects.none
        for byte in 0..<count { effects = receive(UInt8(truncatingIfNeeded: byte)) }
        return effects
    }
}
