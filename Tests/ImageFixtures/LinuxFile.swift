/// A tiny bzImage, right or wrong, field by field.
public struct LinuxFile: Sendable {
    public var bootFlag: UInt16 = 0xaa55
    public var header: UInt32 = 0x5372_6448
    public var version: UInt16 = 0x20f
    public var setupSects: UInt8 = 3
    public var loadFlags: UInt8 = 1
    public var xloadFlags: UInt16 = 1
    public var commandLineSize: UInt32 = 255
    public var initrdAddressMax: UInt32 = 0x7fff_ffff
    public var preferredAddress: UInt64 = 0x100_0000
    public var initSize: UInt32 = 0x2000
    public var syssize: UInt32?
    /// What lies at the 64-bit entry.
    public var code: [UInt8]

    public init(code: [UInt8] = [0xf4]) {
        self.code = code
    }

    public var bytes: [UInt8] {
        let payload = [UInt8](repeating: 0x90, count: 0x200) + code
        let padded = payload + [UInt8](repeating: 0, count: (16 - payload.count % 16) % 16)
        var file = [UInt8](repeating: 0, count: (Int(setupSects == 0 ? 4 : setupSects) + 1) * 512)
        func put(_ value: some FixedWidthInteger, at offset: Int) {
            for byte in 0..<value.bitWidth / 8 { file[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
        }
        put(setupSects, at: 0x1f1)
        put(syssize ?? UInt32(padded.count / 16), at: 0x1f4)
        put(bootFlag, at: 0x1fe)
        file[0x200] = 0xeb
        file[0x201] = 0x6a
        put(header, at: 0x202)
        put(version, at: 0x206)
        put(loadFlags, at: 0x211)
        put(initrdAddressMax, at: 0x22c)
        put(xloadFlags, at: 0x236)
        put(commandLineSize, at: 0x238)
        put(preferredAddress, at: 0x258)
        put(initSize, at: 0x260)
        return file + padded
    }
}
