import PCI

/// A reader of the files that Linux has for each PCI function in `/sys/bus/pci/devices`, or of copies of them.
public struct SysfsReader {
    /// The functions and warnings so far.
    public private(set) var result = Dump()

    /// Makes a reader that has read nothing.
    public init() {}

    /// The names of the files that are read. Any of them may be missing. The facts that a missing file would tell are not known.
    public static let files = ["config", "resource", "class", "vendor", "device"]

    /// Returns the files that a guest has printed, by directory and by name. A line `== 0000:01:00.0 config` stands before the
    /// line with the bytes of each file in hexadecimal. All other output is left out.
    public static func files(printed text: [UInt8]) -> [String: [String: [UInt8]]] {
        var files: [String: [String: [UInt8]]] = [:]
        var place: (directory: String, file: String)?
        for line in text.split(whereSeparator: { [0x0a, 0x0d].contains($0) }) {
            let words = String(decoding: line.prefix(64), as: UTF8.self).split(separator: " ").map(String.init)
            if words.count == 3, words[0] == "==" {
                place = (words[1], words[2])
            } else if let (directory, file) = place {
                let digits = line.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
                let pairs = stride(from: 0, to: digits.count - 1, by: 2)
                files[directory, default: [:]][file] = pairs.map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
                place = nil
            }
        }
        return files
    }

    /// Adds a function.
    ///
    /// - Parameters:
    ///   - directory: The name of the function's directory, `0000:01:00.0`.
    ///   - files: The contents of its files, by name. Archives pad text with NULs, which do not count.
    public mutating func add(directory: String, files: [String: [UInt8]]) {
        guard let address = DomainAddress(text: directory) else {
            return result.warn("`\(directory)` is not the address of a function: left out")
        }
        var function = DumpedFunction(address: address)
        let numbers = files.compactMapValues(Self.number)
        function.vendorID = numbers["vendor"].flatMap { UInt16(exactly: $0) }
        function.deviceID = numbers["device"].flatMap { UInt16(exactly: $0) }
        function.classCode = numbers["class"].flatMap { $0 >> 24 == 0 ? UInt32($0) : nil }
        function.isBridge = function.classCode.map(ConfigDump.isBridge) == true
        takeConfig(files["config"] ?? [], of: &function, hasResources: files["resource"] != nil)
        if let resource = files["resource"], !function.isBridge {
            takeResources(resource, of: &function)
        }
        result.append(function)
    }

    private func takeConfig(_ bytes: [UInt8], of function: inout DumpedFunction, hasResources: Bool) {
        let config = ConfigDump(bytes)
        if bytes.count >= 64, !config.isAllOnes {
            return function.take(config)
        }
        let state =
            bytes.isEmpty
            ? "its file `config` is missing or empty"
            : bytes.count < 64
                ? "its file `config` has no 64 bytes, the least that a function has"
                : "it answered with all ones, asleep or gone"
        guard hasResources else {
            return function.problem("\(state), and its file `resource` is missing")
        }
        function.hasRegisters = true
        function.capabilityGap = "\(state), so that it is counted without MSI-X"
    }

    /// Returns the number that a file holds, such as `0x10de`.
    private static func number(_ text: [UInt8]) -> UInt64? {
        var scanner = LineScanner(text[...])
        return scanner.skip("0x") ? scanner.number(radix: 16) : nil
    }

    /// Bits of the third column (`include/linux/ioport.h`).
    private enum Flags {
        static let io: UInt64 = 0x100
        static let memory: UInt64 = 0x200
        static let prefetch: UInt64 = 0x2000
        static let memory64: UInt64 = 0x10_0000
    }

    /// Takes lines of first address, last address and flags. There is one line for each place of a region. The line for a BAR
    /// of virtual functions is about the BARs of all of these functions together.
    private func takeResources(_ text: [UInt8], of function: inout DumpedFunction) {
        let text = text.prefix { $0 != 0 }
        guard !text.isEmpty else { return function.problem("its file `resource` is empty") }
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, (line, place)) in zip(lines, BaseAddressRegister.all).enumerated() {
            var scanner = LineScanner(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
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
