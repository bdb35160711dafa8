import PCI

/// Reads the files that Linux has for each PCI function in `/sys/bus/pci/devices`, or copies of them.
public struct SysfsReader {
    private var dump = Dump()
    private var seen = Set<DomainAddress>()

    public init() {}

    /// What was found so far.
    public var result: Dump { dump }

    /// Adds a function: the name of its directory, `0000:01:00.0`, and its files `config` and `resource`; nil for one that
    /// is not there.
    public mutating func add(directory: String, config: [UInt8]?, resource: [UInt8]?) {
        guard let address = DomainAddress(text: directory) else {
            dump.warnings.append(DumpWarning("`\(directory)` is not the address of a function: left out"))
            return
        }
        var function = DumpedFunction(address: address)
        if let config, config.count >= 64 {
            let config = ConfigDump(config)
            function.take(identityOf: config)
            function.isBridge = config.isBridge ?? false
            if !function.isBridge {
                function.take(config)
            }
        } else {
            function.problem("its file `config` has no 64 bytes, the least that a function has")
        }
        if let resource, !function.isBridge {
            takeResources(resource, of: &function)
        }
        dump.append(function, seen: &seen)
    }

    /// Bits of the third column (`include/linux/ioport.h`).
    private enum Flags {
        static let io: UInt64 = 0x100
        static let memory: UInt64 = 0x200
        static let prefetch: UInt64 = 0x2000
        static let memory64: UInt64 = 0x10_0000
    }

    /// Lines of first address, last address and flags: BARs 0 to 5, the ROM, the BARs of all virtual functions together.
    private func takeResources(_ text: [UInt8], of function: inout DumpedFunction) {
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, line) in lines.prefix(13).enumerated() {
            var scanner = LineScanner(line)
            scanner.skipSpaces()
            if scanner.isAtEnd { continue }
            var numbers: [UInt64] = []
            while scanner.skip("0x"), let value = scanner.number(radix: 16) {
                numbers.append(value)
                scanner.skipSpaces()
            }
            guard numbers.count == 3, scanner.isAtEnd, numbers[0] <= numbers[1] else {
                function.problem("its file `resource` is not three numbers a line", line: number + 1)
                return
            }
            let (first, last, flags) = (numbers[0], numbers[1], numbers[2])
            guard flags & (Flags.io | Flags.memory) != 0, last > 0 else { continue }
            let (size, overflow) = (last - first).addingReportingOverflow(1)
            let kind: BARDescription.Kind =
                flags & Flags.io != 0 ? .io : flags & Flags.memory64 != 0 ? .memory64 : .memory32
            let region = DumpedFunction.Region(
                kind: kind, isPrefetchable: flags & Flags.prefetch != 0, size: overflow ? nil : size, base: first)
            place(region, at: number, of: &function)
        }
    }

    private func place(_ region: DumpedFunction.Region, at number: Int, of function: inout DumpedFunction) {
        switch number {
        case 0..<6: function.regions[.bar(number)] = region
        case 6: function.regions[.rom] = region
        default:
            guard let virtual = function.virtualFunctions, virtual.total > 0, let size = region.size else { return }
            var one = region
            one.size = size / UInt64(virtual.total)
            function.virtualRegions[number - 7] = one
        }
    }
}
