import Board
import Memslots
import PCI

extension Layout {
    /// Makes a layout of the functions of a dump that can be assigned, and of the bridges that lead to them. A function that
    /// the dump does not describe well enough is left out with a warning.
    public static func read(
        _ dump: Dump, name: String, selection: DumpSelection = DumpSelection()
    ) throws(LayoutError) -> (layout: Layout, warnings: [DumpWarning]) {
        let known = Set(dump.functions.map(\.address))
        try selection.checkFunctions(among: known)
        try selection.checkRegions(in: dump)
        var builder = DumpBuilder(selection: selection, taken: known, warnings: dump.warnings)
        for function in dump.functions where !function.isBridge && selection.takes(function.address) {
            builder.add(function)
        }
        let hasVirtual = dump.functions.contains {
            selection.takes($0.address) && $0.virtualFunctions?.total ?? 0 > 0
        }
        guard hasVirtual || selection.virtualFunctions ?? 0 == 0 else { throw .nobodyHas("virtual functions") }
        let bridges = dump.functions.count(where: \.isBridge)
        guard !builder.found.isEmpty else {
            throw .noFunctions(bridges: bridges, warnings: builder.warnings)
        }
        let chosen = builder.found + selection.bridges(builder.bridges(of: dump), to: builder.found)
        var layout = try place(chosen, name: name, isFlat: selection.isFlat)
        layout.bridges = bridges - layout.functions.count { $0.description.bridge != nil }
        layout = try layout.adjusted(selection)
        let ports =
            "the dump does not tell how many ports its I/O BARs have: each counts with the most that fit its address, up to 256"
        let notes = [DumpWarning(reason: DumpWarning.Reason(line: nil, text: ports), function: nil)]
        return (layout, builder.warnings + (builder.assumesPorts ? notes : []) + layout.warnings)
    }

    /// Returns a layout of the selected functions alone. Each keeps its address if a guest would find it there.
    public func selecting(_ selection: DumpSelection) throws(LayoutError) -> Layout {
        guard selection.sizes.isEmpty, selection.absent.isEmpty, selection.virtualFunctions == nil else {
            throw .notADump(name)
        }
        try selection.checkFunctions(among: Set(functions.map(\.source)))
        let chosen = functions.filter { $0.description.bridge == nil && selection.takes($0.source) }
        let selected = chosen + selection.bridges(functions.filter { $0.description.bridge != nil }, to: chosen)
        guard !selected.isEmpty else { throw .noFunctions(bridges: 0, warnings: []) }
        let placed = try Self.place(selected, name: name, isFlat: selection.isFlat)
        var layout = self
        layout.functions = placed.functions
        layout.choices.segments = placed.choices.segments
        return try layout.adjusted(selection)
    }

    /// The largest number of domains that become segments of a machine. The configuration space of all segments lies below 4
    /// GiB.
    private static let mostSegments = 3

    /// Gives functions addresses on one machine.
    ///
    /// The lowest domains become segments. If the layout is flat, only the lowest one does. Functions of these domains keep
    /// their addresses, except in a device without a function 0, where software looks no further (PCI 3.0, 6.2.1): there, the
    /// first function becomes function 0. Functions of all other domains share the first free devices.
    private static func place(_ functions: [Function], name: String, isFlat: Bool) throws(LayoutError) -> Layout {
        let sorted = functions.sorted { $0.source < $1.source }
        let domains = Set(sorted.map(\.source.domain)).sorted().prefix(isFlat ? 1 : mostSegments)
        var devices: Set<DomainAddress> = []
        let lowest = sorted.prefix { domains.contains($0.source.domain) }.map { function in
            let (domain, id) = (function.source.domain, function.source.function.requesterID)
            let device = DomainAddress(domain: domain, function: FunctionAddress(requesterID: id & ~7))
            let isFirst = devices.insert(device).inserted
            return FunctionAddress(
                requesterID: isFirst ? id & ~7 : id, segment: UInt8(domains.firstIndex(of: domain) ?? 0))
        }
        let kept = Set(lowest.filter { $0.segment == 0 }.map { $0.requesterID >> 3 })
        let taken = Set(lowest.filter { $0.segment == 0 }.map(\.requesterID))
        // Addresses in free devices, and after these, free addresses in devices that exist.
        let apart = (0...UInt16.max).lazy.filter { !kept.contains($0 >> 3) }
        let beside = (0...UInt16.max).lazy.filter { kept.contains($0 >> 3) && !taken.contains($0) }
        var (free, more) = (apart.makeIterator(), beside.makeIterator())
        var placed: [Function] = []
        for (number, var function) in sorted.enumerated() {
            if number < lowest.count {
                function.address = lowest[number]
            } else if let address = free.next() ?? more.next() {
                function.address = FunctionAddress(requesterID: address)
            } else {
                throw .tooManyFunctions(first: function.source.function, count: sorted.count)
            }
            placed.append(function)
        }
        return Layout(
            name: name, functions: placed.sorted { $0.address < $1.address },
            choices: AddressMap.Choices(segments: domains.count > 1 ? domains.count : nil))
    }
}

/// The maker of descriptions from the functions of a dump.
private struct DumpBuilder {
    let selection: DumpSelection
    /// The addresses of all functions in the dump. No virtual function needs to be invented there.
    let taken: Set<DomainAddress>
    /// The addresses of the invented virtual functions.
    var placed = Set<DomainAddress>()
    var warnings: [DumpWarning]
    var found: [Layout.Function] = []
    /// Whether the dump does not tell how many ports a BAR has.
    private(set) var assumesPorts = false

    mutating func add(_ function: DumpedFunction) {
        if let problem = function.problem {
            warnings.append(DumpWarning(reason: problem, function: function.address, isSkipped: true))
            return
        }
        if let gap = function.capabilityGap { warn(gap, of: function, isUnsure: true) }
        let sized = SizedRegions(function, selection, areVirtual: false)
        if let lack = sized.lack { return warn(lack, of: function, isSkipped: true, unsized: sized.unsized) }
        sized.warnings.forEach { warn($0, of: function) }
        assumesPorts = assumesPorts || sized.assumesPorts
        if let lack = sized.romLack { warn(lack, of: function, unsized: sized.unsized, isUnsure: true) }
        var description = FunctionDescription(
            vendorID: function.vendorID ?? 0x1af4, deviceID: function.deviceID ?? 1,
            classCode: function.classCode ?? 0xff0000, bars: sized.bars, romSize: sized.romSize,
            msiVectors: function.msiVectors, msix: function.msix)
        description.record(function, selection.shown) {
            warn("its configuration space is not its own: \($0)", of: function)
        }
        description.addDoorbell()
        let virtual = function.virtualFunctions.flatMap { $0.total > 0 ? $0 : nil }
        let bars = selection.virtualFunctions == 0 ? nil : virtual.flatMap { virtualBARs($0, of: function) }
        if let virtual, let bars, selection.virtualFunctions == nil {
            // Firmware keeps room also for virtual functions that are off.
            (description.virtualCount, description.virtualBARs) = (virtual.total, bars)
        }
        append(description, at: function.address, name: function.name, of: function)
        if let virtual, let bars, let count = selection.virtualFunctions {
            addVirtualFunctions(min(count, virtual.total), virtual, bars, of: function)
        }
    }

    /// Returns the BARs of each virtual function. If they are not known, adds a warning and returns nil.
    private mutating func virtualBARs(
        _ virtual: ConfigDump.VirtualFunctions, of function: DumpedFunction
    ) -> [Int: BARDescription]? {
        let sized = SizedRegions(function, selection, areVirtual: true)
        let isTold = function.regions.keys.contains(where: \.isVirtual)
        guard let lack = sized.lack ?? (isTold ? nil : "the dump does not tell their BARs") else { return sized.bars }
        let isWanted = selection.virtualFunctions != nil
        let first = source(Int(function.address.function.requesterID) + max(1, virtual.firstOffset), function)
        warn(
            "\(isWanted ? "virtual functions of \(function.address) are not counted" : "no addresses are kept for its virtual functions"): \(lack)",
            of: function, at: isWanted ? first : nil, isSkipped: isWanted, unsized: sized.unsized, isUnsure: !isWanted)
        return nil
    }

    /// Returns the bridges that are not excluded. If the bridges of a domain contradict each other, adds a warning and leaves
    /// all of them out.
    mutating func bridges(of dump: Dump) -> [Layout.Function] {
        var domains: [UInt32: [FunctionAddress: DumpedFunction]] = [:]
        for function in dump.functions where !selection.isFlat && !selection.excluded.contains(function.address) {
            if function.bridge != nil {
                domains[function.address.domain, default: [:]][function.address.function] = function
            }
        }
        return domains.values.flatMap { functions -> [Layout.Function] in
            do throws(LayoutError) {
                return try Layout.ports(functions.compactMapValues(\.bridge)).compactMap { port in
                    guard let function = functions[port.address] else { return nil }
                    var port = port
                    port.description.vendorID = function.vendorID ?? port.description.vendorID
                    port.description.deviceID = function.deviceID ?? port.description.deviceID
                    port.description.bars = SizedRegions(function, selection, areVirtual: false).bars
                        .filter { $0.key == 0 || $0.key == 1 && $0.value.kind != .memory64 }
                    port.description.record(function, selection.shown) {
                        warn("its configuration space is not its own: \($0)", of: function)
                    }
                    port.source = function.address
                    port.name = [function.className, function.name].filter { !$0.isEmpty }.joined(separator: ": ")
                    return port
                }
            } catch {
                let reason = DumpWarning.Reason(line: nil, text: "\(error); the bridges of its domain are left out")
                warnings.append(DumpWarning(reason: reason, function: nil))
                return []
            }
        }
    }

    private mutating func append(
        _ description: FunctionDescription, at source: DomainAddress, name: String, of function: DumpedFunction,
        virtualIndex: Int? = nil
    ) {
        do { try description.validate() } catch {
            return warn("\(error)", of: function, at: source, isSkipped: true)
        }
        let kind = function.className.isEmpty ? function.classCode.flatMap(ClassNames.name) : function.className
        var new = Layout.Function(
            address: source.function, description: description, source: source,
            name: [kind, name].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": "),
            hasIdentity: function.vendorID != nil)
        new.virtualIndex = virtualIndex
        if virtualIndex == nil { new.resizable = function.resizable }
        found.append(new)
    }

    private mutating func warn(
        _ text: String, of function: DumpedFunction, at address: DomainAddress? = nil, isSkipped: Bool = false,
        unsized: [DumpSelection.Place] = [], isUnsure: Bool = false
    ) {
        let reason = DumpWarning.Reason(line: function.line, text: text, unsized: unsized, isUnsure: isUnsure)
        warnings.append(DumpWarning(reason: reason, function: address ?? function.address, isSkipped: isSkipped))
    }

    private mutating func addVirtualFunctions(
        _ count: Int, _ virtual: ConfigDump.VirtualFunctions, _ bars: [Int: BARDescription],
        of function: DumpedFunction
    ) {
        let description = FunctionDescription(
            vendorID: function.vendorID ?? 0x1af4, deviceID: virtual.deviceID == 0 ? 1 : virtual.deviceID,
            classCode: function.classCode ?? 0xff0000, bars: bars)
        warn("its virtual functions are counted without MSI-X: only they themselves can tell", of: function)
        // A function without enabled virtual functions may not tell their places yet. In that case they follow the function.
        let isTold = virtual.firstOffset > 0 && (virtual.stride > 0 || virtual.total == 1)
        var id = Int(function.address.function.requesterID) + (isTold ? virtual.firstOffset : 1)
        for index in 0..<count {
            while !isTold, let place = source(id, function), taken.contains(place) || placed.contains(place) {
                id += 1
            }
            guard let source = source(id, function) else {
                return warn("its virtual function \(index) would pass ff:1f.7", of: function, isSkipped: true)
            }
            id += isTold ? virtual.stride : 1
            // The dump may already contain virtual functions.
            if source == function.address || taken.contains(source) { continue }
            guard placed.insert(source).inserted else {
                warn("there is a virtual function of another one already", of: function, at: source, isSkipped: true)
                continue
            }
            append(
                description, at: source, name: "virtual function of \(function.address)", of: function,
                virtualIndex: index)
        }
    }

    private func source(_ id: Int, _ function: DumpedFunction) -> DomainAddress? {
        UInt16(exactly: id).map {
            DomainAddress(domain: function.address.domain, function: FunctionAddress(requesterID: $0))
        }
    }
}

extension FunctionDescription {
    /// Takes over the configuration space of a dumped function, so that guests find its bytes. Does nothing if the dump does
    /// not have it. If no function can have it, calls `warn`.
    fileprivate mutating func record(
        _ function: DumpedFunction, _ shown: Set<CapabilityKind>, orElse warn: (DescriptionError) -> Void
    ) {
        // A virtual function has no ids there (SR-IOV 1.1, 3.4.1).
        guard let config = function.config, config.vendorID == vendorID else { return }
        let sizes = Dictionary(uniqueKeysWithValues: registers.map { ($0, size(of: $0) ?? 0) })
        do throws(DescriptionError) {
            var recorded = try FunctionDescription(
                recorded: config, sizes: sizes, hiding: CapabilityKind.unsupported.subtracting(shown),
                bridge: bridge)
            // A BAR may have no address, or only Enhanced Allocation may describe it.
            recorded.bars = bars
            try recorded.validate()
            self = recorded
        } catch { warn(error) }
    }

    /// Adds what the emulated function needs and a real one lacks: a register that raises its vectors. The register lies right
    /// after the pending bits. It is left out if it would make more of the BAR trapped.
    fileprivate mutating func addDoorbell() {
        guard let msix, (1...2048).contains(msix.vectors) else { return }
        let (offset, overflow) = msix.pendingBits.offset.addingReportingOverflow(UInt64((msix.vectors + 63) / 64 * 8))
        guard !overflow, offset % 4096 != 0 else { return }
        var candidate = self
        candidate.doorbell = BARLocation(bar: msix.pendingBits.bar, offset: offset)
        if (try? candidate.validate()) != nil { self = candidate }
    }
}
