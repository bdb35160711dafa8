import Memslots
import PCI

extension Layout {
    /// The functions of a dump that can be assigned, and what is to be said of the others: bridges are left out, and so is,
    /// with a warning, what is not described well enough to be counted.
    public static func read(
        _ dump: Dump, name: String, selection: DumpSelection = DumpSelection()
    ) throws(LayoutError) -> (layout: Layout, warnings: [DumpWarning]) {
        let known = Set(dump.functions.map(\.address))
        let unknown = selection.unknown(among: known)
        guard unknown.isEmpty else { throw .unknownFunctions(unknown) }
        var builder = DumpBuilder(selection: selection, taken: known, warnings: dump.warnings)
        for function in dump.functions where !function.isBridge && selection.takes(function.address) {
            builder.add(function)
        }
        let bridges = dump.functions.count(where: \.isBridge)
        guard !builder.found.isEmpty else {
            throw .noFunctions(bridges: bridges, firstWarning: builder.warnings.first)
        }
        let layout = Layout(name: name, functions: try place(builder.found), bridges: bridges)
        return (layout, builder.warnings)
    }

    /// These functions alone, each where it is as far as a guest would find it there.
    public func selecting(_ selection: DumpSelection) throws(LayoutError) -> Layout {
        guard selection.sizes.isEmpty, selection.virtualFunctions == 0 else { throw .notADump(name) }
        let unknown = selection.unknown(among: Set(functions.map(\.source)))
        guard unknown.isEmpty else { throw .unknownFunctions(unknown) }
        let selected = functions.filter { selection.takes($0.source) }
        guard !selected.isEmpty else { throw .noFunctions(bridges: 0, firstWarning: nil) }
        return Layout(name: name, functions: try Self.place(selected), bridges: bridges)
    }

    /// Gives functions addresses on one machine. A function keeps its own if it is of the lowest domain and its device has a
    /// function 0, without which software looks no further (PCI 3.0, 6.2.1); the others share the first devices that are
    /// free.
    private static func place(_ functions: [Function]) throws(LayoutError) -> [Function] {
        let sorted = functions.sorted { $0.source < $1.source }
        let lowest = sorted.filter { $0.source.domain == sorted[0].source.domain }.map(\.source.function)
        let kept = Set(lowest.filter { $0.function == 0 }.map { $0.requesterID >> 3 })
        var free = (0...UInt16.max).lazy.filter { !kept.contains($0 >> 3) }.makeIterator()
        var placed: [Function] = []
        for (number, var function) in sorted.enumerated() {
            if number < lowest.count, kept.contains(lowest[number].requesterID >> 3) {
                function.address = lowest[number]
            } else if let address = free.next() {
                function.address = FunctionAddress(requesterID: address)
            } else {
                throw .tooManyFunctions(first: function.source.function, count: sorted.count)
            }
            placed.append(function)
        }
        return placed.sorted { $0.address < $1.address }
    }
}

/// Makes descriptions of what dumps show.
private struct DumpBuilder {
    let selection: DumpSelection
    /// The addresses in the dump, where no virtual function has to be thought up.
    let taken: Set<DomainAddress>
    var warnings: [DumpWarning]
    var found: [Layout.Function] = []

    mutating func add(_ function: DumpedFunction) {
        if function.hidesCapabilities {
            warn("its capabilities are hidden, so it is counted without MSI-X: look at it as root", of: function)
        }
        if let problem = function.problem {
            warnings.append(DumpWarning(reason: problem, function: function.address, isSkipped: true))
            return
        }
        let sized = sized(function.regions.filter { !$0.key.isVirtual }, of: function)
        if let lack = sized.lack { return warn(lack, of: function, isSkipped: true, lacksSizes: true) }
        var description = FunctionDescription(
            vendorID: function.vendorID ?? 0x1af4, deviceID: function.deviceID ?? 1,
            classCode: function.classCode ?? 0xff0000, bars: sized.bars, romSize: sized.romSize,
            msiVectors: function.msiVectors, msix: function.msix)
        description.addDoorbell()
        append(description, at: function.address, name: function.name, of: function)
        addVirtualFunctions(of: function)
    }

    private mutating func append(
        _ description: FunctionDescription, at source: DomainAddress, name: String, of function: DumpedFunction
    ) {
        do { try description.validate() } catch {
            return warn("\(error)", of: function, at: source, isSkipped: true)
        }
        found.append(
            Layout.Function(address: source.function, description: description, source: source, name: name))
    }

    private mutating func warn(
        _ text: String, of function: DumpedFunction, at address: DomainAddress? = nil, isSkipped: Bool = false,
        lacksSizes: Bool = false
    ) {
        let reason = DumpWarning.Reason(line: function.line, text: text, lacksSizes: lacksSizes)
        warnings.append(DumpWarning(reason: reason, function: address ?? function.address, isSkipped: isSkipped))
    }

    private mutating func addVirtualFunctions(of function: DumpedFunction) {
        guard let virtual = function.virtualFunctions, selection.virtualFunctions > 0, virtual.total > 0 else { return }
        let sized = sized(function.regions.filter(\.key.isVirtual), of: function)
        if let lack = sized.lack {
            return warn("its virtual functions are not counted: " + lack, of: function, lacksSizes: true)
        }
        let description = FunctionDescription(
            vendorID: function.vendorID ?? 0x1af4, deviceID: virtual.deviceID,
            classCode: function.classCode ?? 0xff0000, bars: sized.bars)
        warn("its virtual functions are counted without MSI-X: only they themselves can tell", of: function)
        for index in 0..<min(selection.virtualFunctions, virtual.total) {
            let id = Int(function.address.function.requesterID) + virtual.firstOffset + index * virtual.stride
            guard let id = UInt16(exactly: id) else {
                return warn("its virtual function \(index) would pass ff:1f.7", of: function, isSkipped: true)
            }
            let source = DomainAddress(
                domain: function.address.domain, function: FunctionAddress(requesterID: id))
            if source == function.address || taken.contains(source) { continue }
            append(description, at: source, name: "virtual function of \(function.address)", of: function)
        }
    }

    // MARK: Sizes

    private typealias Regions = [ConfigDump.Region.Place: ConfigDump.Region]

    /// The BARs and the ROM that regions make, and a text if the sizes of some are not known.
    private func sized(
        _ regions: Regions, of function: DumpedFunction
    ) -> (bars: [Int: BARDescription], romSize: UInt64?, lack: String?) {
        var bars: [Int: BARDescription] = [:]
        var romSize: UInt64?
        var missing: [String] = []
        for (place, region) in regions.sorted(by: { $0.key < $1.key }) {
            let named = DumpSelection.Place(function: function.address, region: place)
            guard let size = selection.sizes[named] ?? region.size ?? region.mostPorts else {
                // BARs are naturally aligned, so that an address bounds the size.
                let most = region.base == 0 ? "" : "at most \(hexadecimal(region.base & (0 &- region.base))) bytes, "
                missing.append("\(place.name) (\(most)\(named))")
                continue
            }
            guard let number = place.number else {
                romSize = size
                continue
            }
            // What lies above 4 GiB is a 64-bit BAR, also where Enhanced Allocation put it there without one.
            let isWide =
                region.kind == .memory32 && region.base > UInt32.max && number < 5
                && !regions.keys.contains { $0.number == number + 1 }
            bars[number] = BARDescription(
                kind: isWide ? .memory64 : region.kind, size: size, isPrefetchable: region.isPrefetchable)
        }
        let lack = missing.isEmpty ? nil : "the dump does not tell the size of " + missing.joined(separator: ", ")
        return (bars, romSize, lack)
    }
}

extension ConfigDump.Region {
    /// How many ports of a function there can be at an address; ports take no slots, so that nobody has to look up how many
    /// there are.
    fileprivate var mostPorts: UInt64? {
        kind == .io && !place.isVirtual ? min(256, base == 0 ? 256 : base & (0 &- base)) : nil
    }
}

extension FunctionDescription {
    /// Gives the emulated function what a real one has not: a register that raises its vectors, right behind the pending bits
    /// if that traps no more of the BAR.
    fileprivate mutating func addDoorbell() {
        guard let msix, (1...2048).contains(msix.vectors) else { return }
        let (offset, overflow) = msix.pendingBits.offset.addingReportingOverflow(UInt64((msix.vectors + 63) / 64 * 8))
        guard !overflow, offset % 4096 != 0 else { return }
        var candidate = self
        candidate.doorbell = BARLocation(bar: msix.pendingBits.bar, offset: offset)
        if (try? candidate.validate()) != nil { self = candidate }
    }
}
