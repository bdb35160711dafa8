import PCI

extension LspciReader {
    /// Takes a line within a function.
    mutating func takeDetail(_ line: LineScanner) {
        state.hasText = true
        let isHeader = state.capability == nil
        var rest = line
        if rest.skip("Capabilities: ") {
            beginCapability(rest)
        } else if rest.skip("Region ") {
            takeRegion(rest)
        } else if rest.skip("Expansion ROM at ") || rest.skip("[virtual] Expansion ROM at ") {
            if isHeader { takeRegion(at: .register(.rom), rest) }
        } else if rest.skip("Vector table: ") {
            state.table = location(rest)
        } else if rest.skip("PBA: ") {
            state.pendingBits = location(rest)
        } else if rest.skip("Initial VFs: ") || rest.skip("VF offset: ") {
            takeVirtualFunctions(line)
        } else if rest.skip("Bus: primary=") || isHeader && rest.contains("behind bridge") {
            function?.isBridge = true
        } else if rest.skip("Control: ") {
            if state.hasControl { problem("a function begins here without its address") }
            state.hasControl = true
        } else if isHeader, rest.skip("Status: ") {
            // The secondary status of a bridge has a label of its own.
            state.saysCapabilities = rest.contains("Cap+")
        } else if isHeader || line.contains("[size=") {
            checkStray(line)
        }
    }

    private mutating func beginCapability(_ line: LineScanner) {
        var scanner = line
        if scanner.skip("<access denied>") {
            state.hidesCapabilities = true
        } else if scanner.contains("MSI-X: ") {
            state.capability = .msix
            if let count = scanner.number(past: "Count="), count <= 2048 {
                state.vectors = Int(count)
            } else {
                problem("its MSI-X capability has no count of vectors")
            }
        } else if scanner.contains("(SR-IOV)") {
            state.capability = .virtualFunctions
            function?.virtualFunctions = ConfigDump.VirtualFunctions()
        } else {
            state.capability = .other
            if scanner.skip(past: "MSI: "), scanner.number(past: "Count=") != nil, scanner.skip("/") {
                function?.msiVectors = scanner.number().flatMap { Int(exactly: $0) }
            }
        }
    }

    /// Looks for a line that speaks of memory, but not as lspci does: without it the sum would be wrong.
    private mutating func checkStray(_ line: LineScanner) {
        var unnumbered = line
        unnumbered.skipLeadingTags()
        if unnumbered.skip("Memory at ") || unnumbered.skip("I/O ports at ") {
            problem("lspci -v leaves out which BAR this is: use -vvv")
        } else if ["[size=", "Memory at ", "I/O ports at ", "BAR="].contains(where: line.contains) {
            problem("`\(line.text.prefix(60))` is not what lspci prints of a region")
        }
    }

    // MARK: Regions

    private mutating func takeRegion(_ line: LineScanner) {
        var scanner = line
        guard state.capability == nil || state.capability == .virtualFunctions else {
            return problem("a region behind capabilities: is the beginning of a function missing?")
        }
        guard let bar = scanner.number(), bar < 6, scanner.skip(": ") else {
            return problem("a region has a number from 0 to 5")
        }
        takeRegion(at: state.capability == nil ? .register(.bar(Int(bar))) : .virtual(Int(bar)), scanner)
    }

    /// Takes the region at `place`, which the rest of the line describes.
    private mutating func takeRegion(at place: ConfigDump.Region.Place, _ line: LineScanner) {
        var scanner = line
        var name: String { place.number.map { "region \($0)" } ?? "the expansion ROM" }
        guard let region = scanner.region(at: place) else {
            let text = (place.number == nil ? scanner : line).text
            return problem("\(name) cannot be read: `\(text.prefix(60))`")
        }
        if function?.regions.updateValue(region, forKey: place) != nil, state.capability == nil {
            problem("\(name) is there twice")
        }
    }

    // MARK: Capabilities

    /// `BAR=4 offset=00002000`
    private mutating func location(_ line: LineScanner) -> BARLocation? {
        var scanner = line
        guard state.capability == .msix, scanner.skip("BAR="), let bar = scanner.number(), bar < 8,
            scanner.skip(" offset="), let offset = scanner.number(radix: 16), scanner.isAtEnd
        else {
            problem("`\(scanner.text.prefix(60))` is no place in a BAR of MSI-X")
            return nil
        }
        return BARLocation(bar: Int(bar), offset: offset)
    }

    private mutating func takeVirtualFunctions(_ line: LineScanner) {
        func value(_ name: String, radix: Int = 10) -> UInt16? {
            var scanner = line
            return scanner.number(past: name, radix: radix).flatMap { UInt16(exactly: $0) }
        }
        if let total = value("Total VFs: ") {
            function?.virtualFunctions?.total = Int(total)
        }
        if let offset = value("VF offset: "), let stride = value("stride: "), let id = value("Device ID: ", radix: 16) {
            function?.virtualFunctions?.firstOffset = Int(offset)
            function?.virtualFunctions?.stride = Int(stride)
            function?.virtualFunctions?.deviceID = id
        }
    }
}

extension LineScanner {
    fileprivate mutating func skipLeadingTags() {
        while skip("[virtual] ") || skip("[enhanced] ") {}
    }

    /// Reads `Memory at f0000000 (64-bit, prefetchable) [disabled] [size=16M]` or `I/O ports at 2000 [size=128]`, and for the
    /// ROM what is behind `at`.
    fileprivate mutating func region(at place: ConfigDump.Region.Place) -> ConfigDump.Region? {
        let isROM = place.number == nil
        if !isROM { skipLeadingTags() }
        let isPort = !isROM && skip("I/O ports at ")
        guard isROM || isPort || skip("Memory at "), let base = base() else { return nil }
        var region = ConfigDump.Region(place: place, kind: isPort ? .io : .memory32, base: base)
        if !isROM, !isPort {
            let widths = ["64-bit", "32-bit", "low-1M", "type 3"]
            guard skip(" ("), let width = widths.firstIndex(where: { skip($0) }), skip(", ") else { return nil }
            region.kind = width == 0 ? .memory64 : .memory32
            region.isPrefetchable = skip("prefetchable)")
            guard region.isPrefetchable || skip("non-prefetchable)") else { return nil }
        }
        skipSpaces()
        while !isAtEnd {
            if skip("[size=") {
                guard region.size == nil, let size = size(units: ["K", "M", "G", "T", "P"]), size > 0, skip("]") else {
                    return nil
                }
                region.size = size
            } else {
                let tags = ["[virtual]", "[disabled]", "[disabled by cmd]", "[enhanced]", "[ignored]"]
                guard tags.contains(where: { skip($0) }) else { return nil }
            }
            skipSpaces()
        }
        return region
    }

    /// An address, or `<unassigned>`, `<ignored>` and the like, which count as zero.
    private mutating func base() -> UInt64? {
        guard skip("<") else { return number(radix: 16) }
        return skip(past: ">") ? 0 : nil
    }
}
