import PCI

/// Reads the files that Linux has for each PCI function in `/sys/bus/pci/devices`, or copies of them.
public struct SysfsReader {
    /// What was found so far.
    public private(set) var result = Dump()

    public init() {}

    /// Adds a function: the name of its directory, `0000:01:00.0`, and its files `config` and `resource`; nil for one that
    /// is not there.
    public mutating func add(directory: String, config: [UInt8]?, resource: [UInt8]?) {
        guard let address = DomainAddress(text: directory) else {
            return result.warn("`\(directory)` is not the address of a function: left out")
        }
        var function = DumpedFunction(address: address)
        if let config, config.count >= 64 {
            function.take(ConfigDump(config))
        } else {
            function.problem("its file `config` has no 64 bytes, the least that a function has")
        }
        if let resource, !function.isBridge {
            takeResources(resource, of: &function)
        }
        result.append(function)
    }

    /// Bits of the third column (`include/linux/ioport.h`).
    private enum Flags {
        static let io: UInt64 = 0x100
        static let memory: UInt64 = 0x200
        static let prefetch: UInt64 = 0x2000
        static let memory64: UInt64 = 0x10_0000
    }

    /// Takes lines of first address, last address and flags, one for each place of a region. The line for a BAR of virtual
    /// functions is about all of these functions together.
    private func takeResources(_ text: [UInt8], of function: inout DumpedFunction) {
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, (line, place)) in zip(lines, ConfigDump.Region.Place.all).enumerated() {
            var scanner = LineScanner(line)
            scanner.skipSpaces()
            if scanner.isAtEnd { continue }
            var numbers: [UInt64] = []
            while scanner.skip("0x"), let value = scanner.number(radix: 16) {
                numbers.append(value)
                scanner.skipSpaces()
            }
            guard numbers.count == 3, scanner.isAtEnd, numbers[0] <= numbers[1] else {
                return function.problem("its file `resource` is not three numbers a line", line: number + 1)
            }
            let (first, last, flags) = (numbers[0], numbers[1], numbers[2])
            guard flags & (Flags.io | Flags.memory) != 0, last > 0 else { continue }
            let (size, overflow) = (last - first).addingReportingOverflow(1)
            var region = ConfigDump.Region(
                place: place, kind: flags & Flags.io != 0 ? .io : flags & Flags.memory64 != 0 ? .memory64 : .memory32,
                isPrefetchable: flags & Flags.prefetch != 0, size: overflow ? nil : size, base: first)
            if place.isVirtual {
                guard let virtual = function.virtualFunctions, virtual.total > 0, !overflow else { continue }
                region.size = size / UInt64(virtual.total)
            }
            function.regions[place] = region
        }
    }
}
