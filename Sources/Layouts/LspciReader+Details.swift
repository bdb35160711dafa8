import PCI

extension LspciReader {
    /// Takes a line within a function.
    mutating func takeDetail(_ line: LineScanner, _ number: Int) {
        state.hasText = true
        var scanner = line
        if scanner.skip("Capabilities: ") {
            beginCapability(scanner, number)
        } else if scanner.skip("Region ") {
            takeRegion(scanner, number)
        } else if scanner.skip("Expansion ROM at ") {
            if state.capability == nil { takeROM(scanner, number) }
        } else if scanner.skip("[virtual] Expansion ROM at ") {
            if state.capability == nil { takeROM(scanner, number) }
        } else if scanner.skip("Vector table: ") {
            state.table = location(scanner, number)
        } else if scanner.skip("PBA: ") {
            state.pendingBits = location(scanner, number)
        } else if scanner.skip("Initial VFs: ") || scanner.skip("VF offset: ") {
            takeVirtualFunctions(line, number)
        } else if scanner.skip("Bus: primary=")
            || state.capability == nil && scanner.contains("behind bridge")
        {
            current?.isBridge = true
        } else if scanner.skip("Control: ") {
            if state.hasControl { current?.problem("a function begins here without its address", line: number) }
            state.hasControl = true
        } else if state.capability == nil, scanner.skip("Status: ") {
            // The secondary status of a bridge has a label of its own.
            state.saysCapabilities = scanner.contains("Cap+")
        } else if state.capability == nil || line.contains("[size=") {
            checkStray(line, number)
        }
    }

    private mutating func beginCapability(_ scanner: LineScanner, _ number: Int) {
        var scanner = scanner
        if scanner.skip("<access denied>") {
            state.hidesCapabilities = true
        } else if scanner.contains("MSI-X: ") {
            state.capability = .msix
            if scanner.skip(past: "Count="), let count = scanner.number(), count <= 2048 {
                state.vectors = Int(count)
            } else {
                current?.problem("its MSI-X capability has no count of vectors", line: number)
            }
        } else if scanner.contains("(SR-IOV)") {
            state.capability = .virtualFunctions
            current?.virtualFunctions = ConfigDump.VirtualFunctions(
                total: 0, firstOffset: 0, stride: 0, deviceID: 0)
        } else {
            state.capability = .other
            if scanner.skip(past: "MSI: "), scanner.skip(past: "Count="), scanner.number() != nil, scanner.skip("/") {
                current?.msiVectors = scanner.number().flatMap { Int(exactly: $0) }
            }
        }
    }

    /// A line that speaks of memory, but not as lspci does: without it the sum would be wrong.
    private mutating func checkStray(_ line: LineScanner, _ number: Int) {
        var unnumbered = line
        while unnumbered.skip("[virtual] ") || unnumbered.skip("[enhanced] ") {}
        if unnumbered.skip("Memory at ") || unnumbered.skip("I/O ports at ") {
            current?.problem("lspci -v leaves out which BAR this is: use -vvv", line: number)
        } else if line.contains("[size=") || line.contains("Memory at ") || line.contains("I/O ports at ")
            || line.contains("BAR=")
        {
            current?.problem("`\(line.text.prefix(60))` is not what lspci prints of a region", line: number)
        }
    }

    // MARK: Regions

    private mutating func takeRegion(_ scanner: LineScanner, _ number: Int) {
        var scanner = scanner
        guard state.capability == nil || state.capability == .virtualFunctions else {
            current?.problem("a region behind capabilities: is the beginning of a function missing?", line: number)
            return
        }
        guard let bar = scanner.number(), bar < 6, scanner.skip(": ") else {
            current?.problem("a region has a number from 0 to 5", line: number)
            return
        }
        guard let region = region(scanner) else {
            current?.problem("region \(bar) cannot be read: `\(scanner.text.prefix(60))`", line: number)
            return
        }
        if state.capability == .virtualFunctions {
            current?.virtualRegions[Int(bar)] = region
        } else if current?.regions.updateValue(region, forKey: .bar(Int(bar))) != nil {
            current?.problem("region \(bar) is there twice", line: number)
        }
    }

    private mutating func takeROM(_ scanner: LineScanner, _ number: Int) {
        var scanner = scanner
        var region = DumpedFunction.Region(kind: .memory32)
        guard let base = base(&scanner), takeTags(&scanner, of: &region) else {
            current?.problem("the expansion ROM cannot be read: `\(scanner.text.prefix(60))`", line: number)
            return
        }
        region.base = base
        if current?.regions.updateValue(region, forKey: .rom) != nil {
            current?.problem("the expansion ROM is there twice", line: number)
        }
    }

    private func region(_ line: LineScanner) -> DumpedFunction.Region? {
        var scanner = line
        while scanner.skip("[virtual] ") || scanner.skip("[enhanced] ") {}
        var region: DumpedFunction.Region
        if scanner.skip("I/O ports at ") {
            guard let base = base(&scanner) else { return nil }
            region = DumpedFunction.Region(kind: .io, base: base)
        } else {
            guard scanner.skip("Memory at "), let base = base(&scanner), let kind = memoryKind(&scanner) else {
                return nil
            }
            region = DumpedFunction.Region(kind: kind.kind, isPrefetchable: kind.isPrefetchable, base: base)
        }
        return takeTags(&scanner, of: &region) ? region : nil
    }

    /// An address, or `<unassigned>`, `<ignored>` and the like, which count as zero.
    private func base(_ scanner: inout LineScanner) -> UInt64? {
        if scanner.skip("<") {
            return scanner.skip(past: ">") ? 0 : nil
        }
        return scanner.number(radix: 16)
    }

    private func memoryKind(
        _ scanner: inout LineScanner
    ) -> (kind: BARDescription.Kind, isPrefetchable: Bool)? {
        let kind: BARDescription.Kind
        if scanner.skip(" (64-bit, ") {
            kind = .memory64
        } else if scanner.skip(" (32-bit, ") || scanner.skip(" (low-1M, ") || scanner.skip(" (type 3, ") {
            kind = .memory32
        } else {
            return nil
        }
        if scanner.skip("prefetchable)") { return (kind, true) }
        return scanner.skip("non-prefetchable)") ? (kind, false) : nil
    }

    /// The words in brackets at the end of a line, the size among them; false where anything else is there.
    private func takeTags(_ scanner: inout LineScanner, of region: inout DumpedFunction.Region) -> Bool {
        while true {
            scanner.skipSpaces()
            if scanner.isAtEnd { return true }
            if scanner.skip("[size=") {
                guard region.size == nil, let size = scanner.size(), scanner.skip("]") else { return false }
                region.size = size
            } else {
                let tags = ["[virtual]", "[disabled]", "[disabled by cmd]", "[enhanced]", "[ignored]"]
                guard tags.contains(where: { scanner.skip($0) }) else { return false }
            }
        }
    }

    // MARK: Capabilities

    /// `BAR=4 offset=00002000`
    private mutating func location(_ scanner: LineScanner, _ number: Int) -> BARLocation? {
        var scanner = scanner
        guard state.capability == .msix, scanner.skip("BAR="), let bar = scanner.number(), bar < 8,
            scanner.skip(" offset="), let offset = scanner.number(radix: 16), scanner.isAtEnd
        else {
            current?.problem("`\(scanner.text.prefix(60))` is no place in a BAR of MSI-X", line: number)
            return nil
        }
        return BARLocation(bar: Int(bar), offset: offset)
    }

    private mutating func takeVirtualFunctions(_ line: LineScanner, _ number: Int) {
        func value(_ name: String, radix: UInt64 = 10) -> Int? {
            var scanner = line
            guard scanner.skip(past: name), let value = scanner.number(radix: radix), value <= 0xffff else {
                return nil
            }
            return Int(value)
        }
        if let total = value("Total VFs: ") {
            current?.virtualFunctions?.total = total
        }
        if let offset = value("VF offset: "), let stride = value("stride: "), let id = value("Device ID: ", radix: 16) {
            current?.virtualFunctions?.firstOffset = offset
            current?.virtualFunctions?.stride = stride
            current?.virtualFunctions?.deviceID = UInt16(truncatingIfNeeded: id)
        }
    }
}
