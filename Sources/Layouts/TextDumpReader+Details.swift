import PCI

extension TextDumpReader {
    /// The subject of a line of a function, as far as a plan has to know it.
    enum Label {
        case control, status, region, rom, unnumbered, capability, table, pendingBits, initialVFs, offsetOfVFs, bus,
            window
        case driver, headerType, resizable, other

        /// Whether such a line is about registers, so that a function must have begun before it.
        var isOfRegisters: Bool {
            switch self {
            case .region, .rom, .capability, .table, .pendingBits: true
            default: false
            }
        }
    }

    /// The beginnings of lines, without their indentation.
    static let labels: KeyValuePairs<String, Label> = [
        "Region ": .region, "Capabilities:": .capability, "Control: ": .control, "Status: ": .status,
        "Expansion ROM at": .rom, "[virtual] Expansion ROM at": .rom,
        "Memory at ": .unnumbered, "I/O ports at ": .unnumbered, "[virtual] Memory at ": .unnumbered,
        "[enhanced] Memory at ": .unnumbered, "[virtual] I/O ports at ": .unnumbered,
        "Vector table: ": .table, "PBA: ": .pendingBits, "Initial VFs: ": .initialVFs, "VF offset: ": .offsetOfVFs,
        "Bus: primary=": .bus, "I/O behind bridge": .window, "Memory behind bridge": .window,
        "Prefetchable memory behind bridge": .window,
        "BAR ": .resizable, "Kernel driver in use": .driver, "Kernel modules": .driver,
        "!!! Unknown header type": .headerType,
        "Subsystem: ": .other, "DeviceName: ": .other, "Physical Slot: ": .other, "Flags: ": .other, "Latency": .other,
        "Interrupt: ": .other, "NUMA node: ": .other, "IOMMU group: ": .other,
    ]

    /// Takes a line of a function. `rest` is the part after its label.
    mutating func take(_ label: Label, _ rest: LineScanner, _ line: TextLine) {
        let isHeader = state.capability == nil
        switch label {
        case .control:
            if state.hasControl { beginWithoutAddress() }
            state.hasControl = true
        case .status:
            // The secondary status of a bridge has a label of its own.
            if isHeader { state.saysCapabilities = rest.contains("Cap+") }
        case .region: takeRegion(rest, line)
        case .rom: if isHeader { takeRegion(at: .rom, rest) }
        case .unnumbered: if isHeader { problem("lspci -v leaves out which BAR this is: use -vvv") }
        case .capability: beginCapability(rest, line)
        case .table: state.table = location(rest)
        case .pendingBits: state.pendingBits = location(rest)
        case .initialVFs, .offsetOfVFs: takeVirtualFunctions(LineScanner(line.text))
        case .bus:
            function?.isBridge = true
            var rest = rest
            if let address = function?.address, let bus = rest.number(past: "secondary=", radix: 16) {
                secondaryBuses[address] = UInt8(truncatingIfNeeded: bus)
                if bus > 0, bus < 256, let last = rest.number(past: "subordinate=", radix: 16), last < 256 {
                    function?.bridge = BridgeDescription(secondary: UInt8(bus), subordinate: UInt8(last))
                }
            }
        case .window: if isHeader { function?.isBridge = true }
        case .driver: state.hasDriver = true
        case .headerType: state.isAsleep = state.isAsleep || rest.contains("7f")
        case .resizable: if state.capability == .resizable { takeResizable(rest) }
        case .other: break
        }
    }

    /// Takes `0: current size: 16MB, supported: 16MB 32MB`.
    private mutating func takeResizable(_ line: LineScanner) {
        var scanner = line
        guard let bar = scanner.number(), bar < 6, scanner.skip(past: "supported:") else { return }
        scanner.skipSpaces()
        var sizes: [UInt64] = []
        while let size = scanner.size(), scanner.skip("B") {
            sizes.append(size)
            scanner.skipSpaces()
        }
        function?.resizable[Int(bar)] = sizes
    }

    private mutating func beginCapability(_ line: LineScanner, _ whole: TextLine) {
        var scanner = line
        scanner.skipSpaces()
        // Browsers take `<access denied>` for a tag, and drop it.
        if scanner.skip("<access denied>") || scanner.isAtEnd {
            state.capabilityGap = "its capabilities are hidden, so it is counted without MSI-X: look at it as root"
            return
        }
        state.capabilityIndent = whole.indent
        if scanner.contains("MSI-X: ") {
            state.capability = .msix
            // lspci before 2010 says TabSize.
            if let count = scanner.number(past: "Count=") ?? scanner.number(past: "TabSize="), count <= 2048 {
                state.vectors = Int(count)
            } else {
                problem("its MSI-X capability has no count of vectors")
            }
        } else if scanner.contains("(SR-IOV)") {
            state.capability = .virtualFunctions
            function?.virtualFunctions = ConfigDump.VirtualFunctions()
        } else {
            state.capability = scanner.contains("Physical Resizable BAR") ? .resizable : .other
            state.isAtCapability = ["Power Management", "Express", "MSI: "].contains(where: scanner.contains)
            if scanner.skip(past: "MSI: "), scanner.number(past: "Count=") != nil, scanner.skip("/") {
                function?.msiVectors = scanner.number().flatMap { Int(exactly: $0) }
            }
        }
    }

    /// Checks a line that lspci did not print, such as one with a mark before it, for words that lspci may have printed there.
    mutating func checkForeign(_ line: LineScanner) {
        if ["Region ", "Memory at ", "I/O ports at "].contains(where: line.contains) {
            problem("\(line.excerpt) is not what lspci prints of a region")
        } else if line.contains("Capabilities: [") || line.contains("MSI-X: ") {
            state.capabilityGap = "\(line.excerpt) is not what lspci prints of a capability, which is not counted"
        }
    }

    /// Checks a line without a known label for words that tell of a region, because regions change what the function takes.
    mutating func checkStray(_ line: LineScanner) {
        guard state.capability == nil else { return }
        if line.contains("Memory at ") || line.contains("I/O ports at ") {
            problem("\(line.excerpt) is not what lspci prints of a region")
        } else if line.contains("[size="), line.contains("behind bridge") == false, let function {
            dump.warn("\(line.excerpt) is not known, and not counted", line: number, function: function.address)
        }
    }

    /// Notes that the dump leaves out lines here. The order in which lspci prints shows which lines may be lost: regions by
    /// number, then the ROM, then capabilities.
    mutating func noteElision(_ line: TextLine) {
        // The offsets in a hex dump show which rows are missing.
        guard state.config.isEmpty else { return }
        let regions = function?.regions ?? [:]
        let last = regions.keys.filter { !$0.isVirtual }.max()
        let isBehindRegions =
            switch last {
            case .rom, .bar(5): true
            case .bar(4): regions[.bar(4)]?.kind == .memory64
            default: false
            }
        if state.capability == nil, !isBehindRegions {
            let text = "\(LineScanner(line.text).excerpt) stands where its regions may have been"
            state.regionGap = state.regionGap ?? DumpWarning.Reason(line: number, text: text)
        } else {
            state.capabilityGap = "lines are left out of the dump, and only the capabilities that are there count"
        }
    }

    /// Returns a description of the line's form if it is a form of lspci without BARs.
    static func form(of line: TextLine) -> String? {
        var scanner = LineScanner(line.text)
        if scanner.skip("Slot:") || scanner.skip("Device:") {
            scanner.skipSpaces()
            return scanner.slot() == nil ? nil : "this is what lspci -vmm prints"
        }
        let isTree = scanner.skip("-[") && scanner.number(radix: 16) != nil
        return isTree ? "this is what lspci -t prints" : nil
    }

    // MARK: Regions

    private mutating func takeRegion(_ rest: LineScanner, _ line: TextLine) {
        var scanner = rest
        guard state.capability == nil || state.capability == .virtualFunctions else {
            // A line that is not indented more than `Capabilities:` belongs to no capability.
            guard line.indent <= state.capabilityIndent else { return }
            return problem("a region behind capabilities: is the beginning of a function missing?")
        }
        guard let bar = scanner.number(), bar < 6, scanner.skip(":") else {
            return problem("a region has a number from 0 to 5")
        }
        scanner.skipSpaces()
        takeRegion(at: state.capability == nil ? .bar(Int(bar)) : .virtual(Int(bar)), scanner)
    }

    /// Takes the region at `place`, which the rest of the line describes.
    private mutating func takeRegion(at place: BaseAddressRegister, _ line: LineScanner) {
        var scanner = line
        guard let region = scanner.region(at: place) else {
            // A region of virtual functions is a detail that a plan may never need.
            guard !place.isVirtual else { return }
            let name = place.number.map { "region \($0)" } ?? "the expansion ROM"
            return problem("\(name) cannot be read: \(line.excerpt)")
        }
        // No region can have been left out before BAR 0.
        if place == .bar(0), function?.regions.isEmpty == true { state.regionGap = nil }
        if let other = function?.regions.updateValue(region, forKey: place), other != region, !place.isVirtual {
            problem("\(place) is there twice")
        }
    }

    // MARK: Capabilities

    /// Reads `BAR=4 offset=00002000`.
    private mutating func location(_ line: LineScanner) -> BARLocation? {
        var scanner = line
        guard state.capability == .msix, scanner.skip("BAR="), let bar = scanner.number(), bar < 8,
            scanner.skip(" offset="), let offset = scanner.number(radix: 16), scanner.isAtEnd
        else {
            if state.capability == .msix {
                problem("\(scanner.excerpt) is no place in a BAR of MSI-X")
            } else {
                state.capabilityGap =
                    "the beginning of its MSI-X capability is missing, so that it is counted without MSI-X"
            }
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
    /// The beginning of the rest, for a message.
    var excerpt: String { "`\(text.prefix(60))`" }

    private mutating func skipLeadingTags() {
        while skip("[virtual] ") || skip("[enhanced] ") {}
    }

    /// Reads `Memory at f0000000 (64-bit, prefetchable) [disabled] [size=16M]` or `I/O ports at 2000 [size=128]`. For the ROM,
    /// reads what follows `at`.
    fileprivate mutating func region(at place: BaseAddressRegister) -> ConfigDump.Region? {
        let isROM = place.number == nil
        if !isROM { skipLeadingTags() }
        let isPort = !isROM && skip("I/O ports at")
        guard isROM || isPort || skip("Memory at"), let base = base() else { return nil }
        var region = ConfigDump.Region(place: place, kind: isPort ? .io : .memory32, base: base)
        skipSpaces()
        if !isROM, !isPort {
            let widths = ["64-bit", "32-bit", "low-1M", "type 3"]
            guard skip("("), let width = widths.firstIndex(where: { skip($0) }), skip(", ") else { return nil }
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
                // Other marks are `[virtual]`, `[disabled by cmd]`, and those of future versions.
                guard skip("["), skip(past: "]") else { return nil }
            }
            skipSpaces()
        }
        return region
    }

    /// Reads an address. `<unassigned>`, `<ignored>` and the like count as zero, and so does what a browser leaves of them.
    private mutating func base() -> UInt64? {
        skipSpaces()
        if skip("<") { return skip(past: ">") ? 0 : nil }
        return first == UInt8(ascii: "(") || first == UInt8(ascii: "[") ? 0 : number(radix: 16)
    }
}
