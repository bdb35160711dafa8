internal import Memslots

/// The setup header of a Linux kernel (bzImage; Documentation/arch/x86/boot.rst of Linux). Fields have their names of the boot protocol.
public struct LinuxHeader: Hashable, Sendable {
    /// The bytes of the header from `setup_sects` on. The kernel finds a copy of them in its boot parameters.
    public let bytes: [UInt8]
    /// The offset of `bytes` in the file and in the boot parameters.
    public static let offset = 0x1f1
    /// The largest number of bytes that a command line may have, without the zero that ends it (`cmdline_size`).
    public let commandLineSize: UInt32
    /// The last address that an initial RAM disk may use (`initrd_addr_max`).
    public let initrdAddressMax: UInt32

    /// The offset of the 64-bit entry from the address at which the kernel is loaded.
    static let entry: UInt64 = 0x200

    /// The bytes of the file behind the setup code.
    let payload: Range<Int>
    /// The memory that the kernel needs, from `pref_address` on.
    let memory: GuestRange

    /// Returns whether a file is a Linux kernel of any age. Two magic numbers say so.
    static func marks(_ file: [UInt8]) -> Bool {
        guard let part = try? FilePart(file, "", at: 0x1fe, count: 8) else { return false }
        return part[0] == bootFlag && part[4] == magic
    }

    private static let bootFlag: UInt16 = 0xaa55
    /// The letters `HdrS`.
    private static let magic: UInt32 = 0x5372_6448
    /// The first version of the protocol whose `xloadflags` tell of a 64-bit entry.
    private static let version: UInt16 = 0x20c
    /// The end of the header of that version in the file.
    private static let end = 0x268

    init(_ file: [UInt8]) throws(ImageError) {
        let part = try FilePart(file, "the setup header", at: 0, count: Self.end)
        let (flag, magic, version): (UInt16, UInt32, UInt16) = (part[0x1fe], part[0x202], part[0x206])
        try check(flag == Self.bootFlag, "boot_flag", flag, "0xaa55 marks a bzImage")
        try check(magic == Self.magic, "header", magic, "the letters HdrS mark a bzImage")
        try check(version >= Self.version, "version", version, "the 64-bit boot protocol begins with 0x20c (Linux 3.8)")
        let (loadFlags, xloadFlags): (UInt8, UInt16) = (part[0x211], part[0x236])
        try check(loadFlags & 1 != 0, "loadflags", loadFlags, "LOADED_HIGH (bit 0) is missing, it is a zImage")
        try check(
            xloadFlags & 1 != 0, "xloadflags", xloadFlags, "XLF_KERNEL_64 (bit 0) is missing, build it for x86-64")
        let (setupSects, syssize): (UInt8, UInt32) = (part[0x1f1], part[0x1f4])
        // `setup_sects` of 0 means 4. The boot sector comes before these sectors.
        let start = (Int(setupSects == 0 ? 4 : setupSects) + 1) * 512
        let size = Int(syssize) * 16
        try check(size > Self.entry, "syssize", syssize, "the 64-bit entry is at 0x200")
        try check(start + size <= file.count, "syssize", syssize, "the file has only \(file.count) bytes, it was cut")
        let (preferred, initSize): (UInt64, UInt32) = (part[0x258], part[0x260])
        let memory = GuestRange(first: GuestAddress(preferred), size: max(UInt64(initSize), UInt64(size)))
        guard let memory else {
            throw .linux(
                field: "pref_address", value: preferred,
                rule: "pref_address plus init_size passes the last guest address")
        }
        // A jump at 0x200 skips the header, so its second byte says where the header ends. Other boot parameters begin at 0x290.
        let jump: UInt8 = part[0x201]
        bytes = Array(file[Self.offset..<max(Self.end, min(0x202 + Int(jump), 0x290, file.count))])
        (commandLineSize, initrdAddressMax) = (part[0x238], part[0x22c])
        (payload, self.memory) = (start..<start + size, memory)

        func check(
            _ isRight: Bool, _ field: String, _ value: some UnsignedInteger, _ rule: @autoclosure () -> String
        ) throws(ImageError) {
            guard isRight else { throw .linux(field: field, value: UInt64(value), rule: rule()) }
        }
    }
}
