import PCI

/// The lines that the kernel logs when it finds PCI functions and gives them addresses (`drivers/pci/probe.c`, `setup-res.c`,
/// `iov.c`). They tell the BARs with their sizes, also those of virtual functions.
struct KernelLog {
    /// The functions in the order of the log.
    var functions: [DumpedFunction] {
        // A log without any lines about BARs does not tell which functions have no BARs: somebody may have removed the lines.
        let tellsBARs = found.values.contains(where: \.hasFoundBARs)
        return order.compactMap { found[$0]?.described(tellsBARs: tellsBARs) }
    }

    private var found: [DomainAddress: Entry] = [:]
    private var order: [DomainAddress] = []

    fileprivate struct Entry {
        var function: DumpedFunction
        /// Whether the log has the line by which the kernel says that it has found the function.
        var isFound = false
        /// Whether the log has lines by which the kernel says that it has found BARs of the function.
        var hasFoundBARs = false

        func described(tellsBARs: Bool) -> DumpedFunction {
            var function = function
            let isDiscovered = isFound && (hasFoundBARs || tellsBARs)
            function.hasRegisters = isDiscovered
            function.capabilityGap = "the kernel's log tells of no capabilities, so that it is counted without MSI-X"
            if !isDiscovered, !function.isBridge {
                function.problem("the log lacks the lines of its discovery, so that there may be more BARs")
            }
            return function
        }
    }

    /// Takes a line if the kernel logged it about a PCI function.
    ///
    /// - Returns: Whether the line was taken.
    mutating func take(_ line: LineScanner, line number: Int) -> Bool {
        let words = ["[mem ", "[io ", " class 0x", "PCI bridge to [bus"]
        guard words.contains(where: line.contains), let (address, text) = line.subject else { return false }
        var entry = found[address] ?? Entry(function: DumpedFunction(address: address, line: number))
        let range = ["[mem ", "[io "].first(where: text.contains)
        if let range, !text.hasEnd(of: range) {
            entry.function.problem("a line of its BARs is cut off: \(text.excerpt)", line: number)
        } else if !entry.take(text) {
            return false
        }
        if found.updateValue(entry, forKey: address) == nil { order.append(address) }
        return true
    }

    /// Notes that the dump leaves out lines here. The last function of the log may have more BARs.
    mutating func noteElision(line number: Int) {
        guard let last = order.last else { return }
        found[last]?.function.problem(
            "lines are left out behind those of its BARs, so that there may be more", line: number)
    }
}

extension KernelLog.Entry {
    fileprivate mutating func take(_ line: LineScanner) -> Bool {
        var rest = line
        if rest.skip("PCI bridge to [bus") {
            function.isBridge = true
        } else if rest.skip("["), let vendor = rest.hex(4...4), rest.skip(":"), let device = rest.hex(4...4),
            let type = rest.number(past: "type ", radix: 16), let code = rest.number(past: "class 0x", radix: 16)
        {
            function.vendorID = UInt16(truncatingIfNeeded: vendor)
            function.deviceID = UInt16(truncatingIfNeeded: device)
            function.classCode = UInt32(truncatingIfNeeded: code & 0xff_ffff)
            function.isBridge =
                function.isBridge || type != 0
                || ConfigDump.isBridge(classCode: UInt32(truncatingIfNeeded: code & 0xff_ffff))
            isFound = true
        } else {
            return takeRegion(rest)
        }
        return true
    }

    /// Takes a line such as `reg 0x10: [mem …]`, `BAR 0 [mem …]`, `BAR 0: assigned [mem …]`, `ROM [mem …]`,
    /// `VF BAR 0 [mem …]: contains BAR 0 for 8 VFs`, and before 2023 `VF(n) BAR0 space: [mem …] (contains BAR0 for 8 VFs)`.
    private mutating func takeRegion(_ line: LineScanner) -> Bool {
        var rest = line
        _ = rest.skip("legacy IDE quirk: ")
        let place = rest.place()
        // If other words stand before the bracket, the line tells of a BAR that the kernel has found before.
        _ = rest.skip(":")
        rest.skipSpaces()
        let isAlone = rest.first == UInt8(ascii: "[")
        guard let place, rest.skip(past: "["), var region = rest.logged(at: place) else {
            return line.contains("BAR ") || line.contains("bridge window")
        }
        if place.isVirtual {
            guard var count = Optional(rest), count.skip(past: " for "), let total = count.number(), count.skip(" VFs"),
                (1...0xffff).contains(total)
            else {
                // This is the first of two lines, which gives the BAR of a single virtual function.
                function.regions[place] = function.regions[place] ?? region
                return true
            }
            region.size = region.size.map { $0 / total }
            function.virtualFunctions = function.virtualFunctions ?? ConfigDump.VirtualFunctions()
            function.virtualFunctions?.total = Int(total)
        } else {
            rest.skipSpaces()
            hasFoundBARs = hasFoundBARs || isAlone && rest.isAtEnd
        }
        function.regions[place] = region
        return true
    }
}

extension LineScanner {
    /// The first function that the line names, after time and driver, and the text that follows it.
    fileprivate var subject: (DomainAddress, LineScanner)? {
        var scanner = self
        repeat {
            var here = scanner
            if let address = here.address(), here.skip(": ") {
                here.skipSpaces()
                return (address, here)
            }
        } while scanner.skip(past: " ")
        return nil
    }

    /// Whether the bracket that begins with `range` is closed.
    fileprivate func hasEnd(of range: String) -> Bool {
        var scanner = self
        return scanner.skip(past: range) && scanner.contains("]")
    }

    /// Reads the place of the region in the line, by the number that the kernel gives it.
    fileprivate mutating func place() -> BaseAddressRegister? {
        if skip("ROM") { return .rom }
        if skip("VF BAR ") || skip("VF(n) BAR") { return number().flatMap { $0 < 6 ? .virtual(Int($0)) : nil } }
        if skip("BAR ") {
            // 6 is the ROM. Above it are windows of bridges, and ranges for all virtual functions together.
            return number().flatMap { $0 < 6 ? .bar(Int($0)) : $0 == 6 ? .rom : nil }
        }
        guard skip("reg ") else { return nil }
        _ = skip("0x")
        switch number(radix: 16) {
        case 0x30: return .rom
        case let offset? where offset >= 0x10 && offset <= 0x24 && offset % 4 == 0:
            return .bar(Int(offset - 0x10) / 4)
        default: return nil
        }
    }

    /// Reads a range such as `mem 0xf0000000-0xf0ffffff 64bit pref]` or `io  size 0x0080]`.
    fileprivate mutating func logged(at place: BaseAddressRegister) -> ConfigDump.Region? {
        let isPort = skip("io ")
        guard isPort || skip("mem ") else { return nil }
        skipSpaces()
        var region = ConfigDump.Region(place: place, kind: isPort ? .io : .memory32)
        if skip("size 0x") {
            region.size = number(radix: 16)
        } else if skip("0x"), let first = number(radix: 16), skip("-0x"), let last = number(radix: 16), first <= last {
            region.base = first
            let (size, overflow) = (last - first).addingReportingOverflow(1)
            region.size = overflow ? nil : size
        }
        var flags = self
        guard region.size != nil, skip(past: "]") else { return nil }
        flags.keep(before: self)
        if !isPort, flags.contains("64bit") { region.kind = .memory64 }
        region.isPrefetchable = !isPort && flags.contains("pref")
        return region
    }
}
