import PCI

extension DumpedFunction {
    /// Makes a function from the rest of the line with which lspci begins it. The address has been read. The rest is
    /// `Ethernet controller [0200]: Intel ... [8086:1572] (rev 02) (prog-if 00)`, or with -n `0200: 8086:1572 (rev 02)`.
    init(address: DomainAddress, line: Int, header: LineScanner) {
        self.init(address: address, line: line)
        let parts = header.text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var kind = parts[0].drop { $0 == " " }
        var rest = parts.dropFirst().first?.drop { $0 == " " } ?? ""
        if kind.hasPrefix("Class ") { kind = kind.dropFirst(6) }
        let code = Self.takeNumbers(&kind, [4]) ?? (kind.count == 4 ? [kind].compactMap { UInt16($0, radix: 16) } : nil)
        if let code, code.count == 1 { classCode = UInt32(code[0]) << 8 }
        isBridge = kind.contains("bridge") || classCode.map(ConfigDump.isBridge) == true
        className = String(kind)
        if classCode == nil { classCode = ClassNames.code(of: className) }

        for mark in [" (prog-if", " (rev "] {
            if let start = rest.ranges(of: mark).first { rest = rest[..<start.lowerBound] }
        }
        let ids = Self.takeNumbers(&rest, [4, 4]) ?? Self.numbers(rest[...], [4, 4])
        if let ids, ids.count == 2 { (vendorID, deviceID) = (ids[0], ids[1]) }
        name = Self.numbers(rest[...], [4, 4]) == nil ? String(rest) : ""
    }

    /// Removes the last brackets that contain hexadecimal numbers with these counts of digits from a text, and returns the
    /// numbers.
    private static func takeNumbers(_ text: inout Substring, _ digits: [Int]) -> [UInt16]? {
        var end = text.endIndex
        while let close = text[..<end].lastIndex(of: "]"), let open = text[..<close].lastIndex(of: "[") {
            if let numbers = numbers(text[open..<close].dropFirst(), digits) {
                let before = text[..<open]
                text = Substring(before + text[close...].dropFirst())
                while text.last == " " { text.removeLast() }
                return numbers
            }
            end = open
        }
        return nil
    }

    private static func numbers(_ text: Substring, _ digits: [Int]) -> [UInt16]? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { UInt16($0, radix: 16) }
        return parts.map(\.count) == digits && numbers.count == digits.count ? numbers : nil
    }
}

/// The names by which lspci knows classes of functions (PCI code and ID assignment specification).
enum ClassNames {
    /// Returns the 24-bit class code of a name, with 0 for the programming interface.
    static func code(of name: String) -> UInt32? {
        all.first { $0.value == name }.map { UInt32($0.key) << 8 }
    }

    /// Returns the name of a 24-bit class code.
    static func name(of code: UInt32) -> String? {
        all.first { $0.key == UInt16(truncatingIfNeeded: code >> 8) }?.value
    }

    private static let all: KeyValuePairs<UInt16, String> = [
        0x0100: "SCSI storage controller", 0x0101: "IDE interface", 0x0104: "RAID bus controller",
        0x0106: "SATA controller", 0x0107: "Serial Attached SCSI controller", 0x0108: "Non-Volatile memory controller",
        0x0180: "Mass storage controller", 0x0200: "Ethernet controller", 0x0207: "Infiniband controller",
        0x0280: "Network controller", 0x0300: "VGA compatible controller", 0x0302: "3D controller",
        0x0380: "Display controller", 0x0401: "Multimedia audio controller", 0x0403: "Audio device",
        0x0480: "Multimedia controller", 0x0500: "RAM memory", 0x0502: "CXL", 0x0580: "Memory controller",
        0x0700: "Serial controller", 0x0780: "Communication controller", 0x0880: "System peripheral",
        0x0c03: "USB controller", 0x0c04: "Fibre Channel", 0x0c05: "SMBus", 0x1080: "Encryption controller",
        0x1180: "Signal processing controller", 0x1200: "Processing accelerators", 0xff00: "Unassigned class",
    ]
}
