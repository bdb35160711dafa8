import Memslots
import PCI

extension Layout {
    /// The functions of a dump that can be assigned, and what is to be said of the others: bridges are left out, and so is,
    /// with a warning, what is not described well enough to be counted.
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
        let bridges = dump.functions.count(where: \.isBridge)
        guard !builder.found.isEmpty else {
            throw .noFunctions(bridges: bridges, warnings: builder.warnings)
        }
        let layout = Layout(name: name, functions: try place(builder.found), bridges: bridges)
        return (layout, builder.warnings)
    }

    /// These functions alone, each where it is as far as a guest would find it there.
    public func selecting(_ selection: DumpSelection) throws(LayoutError) -> Layout {
        guard selection.sizes.isEmpty, selection.absent.isEmpty, selection.virtualFunctions == 0 else {
            throw .notADump(name)
        }
        try selection.checkFunctions(among: Set(functions.map(\.source)))
        let selected = functions.filter { selection.takes($0.source) }
        guard !selected.isEmpty else { throw .noFunctions(bridges: 0, warnings: []) }
        return Layout(name: name, functions: try Self.place(selected), bridges: bridges)
    }

    /// Gives functions addresses on one machine. A function keeps its own if it is of the lowest domain and its device has a
    /// function 0, without which software looks no further (PCI 3.0, 6.2.1); the others share the first devices that are
    /// free.
    private static func place(_ functions: [Function]) throws(LayoutError) -> [Function] {
        let sorted = functions.sorted { $0.source < $1.source }
        let lowest = sorted.filter { $0.source.domain == sorted[0].source.domain }.map(\.source.function)
        let kept = Set(lowest.filter { $0.function == 0 }.map { $0.requesterID >> 3 })
        let taken = Set(lowest.map(\.requesterID))
        // Devices of their own, and at last functions of devices that are there.
        let apart = (0...UInt16.max).lazy.filter { !kept.contains($0 >> 3) }
        let beside = (0...UInt16.max).lazy.filter { kept.contains($0 >> 3) && !taken.contains($0) }
        var (free, more) = (apart.makeIterator(), beside.makeIterator())
        var placed: [Function] = []
        for (number, var function) in sorted.enumerated() {
            if number < lowest.count, kept.contains(lowest[number].requesterID >> 3) {
                function.address = lowest[number]
            } else if let address = free.next() ?? more.next() {
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
    /// The addresses of virtual functions.
    var placed = Set<DomainAddress>()
    var warnings: [DumpWarning]
    var found: [Layout.Function] = []

    mutating func add(_ function: DumpedFunction) {
        if let problem = function.problem {
            warnings.append(DumpWarning(reason: problem, function: function.address, isSkipped: true))
            return
        }
        if let gap = function.capabilityGap { warn(gap, of: function) }
        let sized = SizedRegions(function, selection, areVirtual: false)
        if let lack = sized.lack { return warn(lack, of: function, isSkipped: true, lacksSizes: true) }
        sized.warnings.forEach { warn($0, of: function) }
        if let lack = sized.romLack { warn(lack, of: function, lacksSizes: true) }
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
        let kind = function.className.isEmpty ? function.classCode.flatMap(ClassNames.name) : function.className
        found.append(
            Layout.Function(
                address: source.function, description: description, source: source,
                name: [kind, name].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ": "),
                hasIdentity: function.vendorID != nil))
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
        let sized = SizedRegions(function, selection, areVirtual: true)
        let none = sized.bars.isEmpty ? "the dump does not tell their BARs" : nil
        if let lack = sized.lack ?? none {
            let first = source(Int(function.address.function.requesterID) + max(1, virtual.firstOffset), function)
            return warn(
                "virtual functions of \(function.address) are not counted: " + lack, of: function, at: first,
                isSkipped: true,
                lacksSizes: sized.lack != nil)
        }
        let description = FunctionDescription(
            vendorID: function.vendorID ?? 0x1af4, deviceID: virtual.deviceID == 0 ? 1 : virtual.deviceID,
            classCode: function.classCode ?? 0xff0000, bars: sized.bars)
        warn("its virtual functions are counted without MSI-X: only they themselves can tell", of: function)
        // A function that has none enabled may not tell their places yet; they then follow it.
        let isTold = virtual.firstOffset > 0 && (virtual.stride > 0 || virtual.total == 1)
        let count = min(selection.virtualFunctions, virtual.total)
        var id = Int(function.address.function.requesterID) + (isTold ? virtual.firstOffset : 1)
        for index in 0..<count {
            while !isTold, let place = source(id, function), taken.contains(place) || placed.contains(place) {
                id += 1
            }
            guard let source = source(id, function) else {
                return warn("its virtual function \(index) would pass ff:1f.7", of: function, isSkipped: true)
            }
            id += isTold ? virtual.stride : 1
            // The dump may have virtual functions that are there already.
            if source == function.address || taken.contains(source) { continue }
            guard placed.insert(source).inserted else {
                warn("there is a virtual function of another one already", of: function, at: source, isSkipped: true)
                continue
            }
            append(description, at: source, name: "virtual function of \(function.address)", of: function)
        }
    }

    private func source(_ id: Int, _ function: DumpedFunction) -> DomainAddress? {
        UInt16(exactly: id).map {
            DomainAddress(domain: function.address.domain, function: FunctionAddress(requesterID: $0))
        }
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
