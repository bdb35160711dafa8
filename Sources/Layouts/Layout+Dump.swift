import Memslots
import PCI

extension Layout {
    /// The functions of a dump that can be assigned, and what is to be said of the others: bridges are left out, and so is,
    /// with a warning, what is not described well enough to be counted.
    public static func read(
        _ dump: Dump, name: String, selection: DumpSelection = DumpSelection()
    ) throws(LayoutError) -> (layout: Layout, warnings: [DumpWarning]) {
        let unknown = selection.unknown(among: Set(dump.functions.map(\.address)))
        guard unknown.isEmpty else { throw .unknownFunctions(unknown) }
        var builder = DumpBuilder(selection: selection, taken: Set(dump.functions.map(\.address)))
        builder.warnings = dump.warnings
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
        let lowest = sorted.first?.source.domain
        func device(_ function: Function) -> Int { Int(function.source.function.requesterID >> 3) }
        var isUsed = [Bool](repeating: false, count: 1 << 13)
        for function in sorted where function.source.domain == lowest && function.source.function.function == 0 {
            isUsed[device(function)] = true
        }
        let used = isUsed
        var placed: [Function] = []
        var next: UInt16 = 0
        var isFull = false
        for var function in sorted {
            if function.source.domain == lowest, used[device(function)] {
                function.address = function.source.function
            } else {
                if next % 8 == 0 {
                    guard !isFull, let free = isUsed.firstIndex(of: false) else {
                        throw .tooManyFunctions(first: function.source.function, count: sorted.count)
                    }
                    isUsed[free] = true
                    next = UInt16(free * 8)
                }
                function.address = FunctionAddress(requesterID: next)
                isFull = next == .max
                next &+= 1
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
    var found: [Layout.Function] = []
    var warnings: [DumpWarning] = []

    init(selection: DumpSelection, taken: Set<DomainAddress>) {
        self.selection = selection
        self.taken = taken
    }

    mutating func add(_ function: DumpedFunction) {
        for remark in function.remarks {
            warnings.append(DumpWarning(remark.text, line: remark.line, function: function.address))
        }
        if let problem = function.problems.first {
            return skip(function.address, problem.text, line: problem.line)
        }
        guard let sizes = sizes(of: function) else { return }
        var bars: [Int: BARDescription] = [:]
        for (register, region) in function.regions {
            guard case .bar(let number) = register, let size = sizes[register] else { continue }
            bars[number] = region.bar(number, size: size, hasNext: function.regions[.bar(number + 1)] != nil)
        }
        var description = FunctionDescription(
            vendorID: function.vendorID ?? 0x1af4, deviceID: function.deviceID ?? 1,
            classCode: function.classCode ?? 0xff0000, bars: bars, romSize: sizes[.rom],
            msiVectors: function.msiVectors, msix: function.msix)
        description.addDoorbell()
        append(description, source: function.address, name: function.name, line: function.line)
        addVirtualFunctions(of: function)
    }

    /// How large everything is; nil where that is not known, after the function has been skipped.
    private mutating func sizes(of function: DumpedFunction) -> [BaseAddressRegister: UInt64]? {
        var sizes: [BaseAddressRegister: UInt64] = [:]
        var missing: [String] = []
        for (register, region) in function.regions.sorted(by: { $0.key < $1.key }) {
            let place = DumpSelection.Place(function: function.address, region: .register(register))
            if let size = selection.sizes[place] ?? region.size ?? region.mostPorts {
                sizes[register] = size
            } else {
                missing.append(Self.lacking(place, "\(register)", region))
            }
        }
        guard missing.isEmpty else {
            skip(function.address, Self.lacksSizes(missing), line: function.line)
            return nil
        }
        return sizes
    }

    private mutating func append(
        _ description: FunctionDescription, source: DomainAddress, name: String, line: Int?
    ) {
        do { try description.validate() } catch { return skip(source, "\(error)", line: line) }
        found.append(
            Layout.Function(address: source.function, description: description, source: source, name: name))
    }

    private mutating func skip(_ address: DomainAddress, _ text: String, line: Int?) {
        warnings.append(DumpWarning(text, line: line, function: address, isSkipped: true))
    }

    private mutating func addVirtualFunctions(of function: DumpedFunction) {
        guard let virtual = function.virtualFunctions, selection.virtualFunctions > 0, virtual.total > 0 else { return }
        var bars: [Int: BARDescription] = [:]
        var missing: [String] = []
        for (number, region) in function.virtualRegions.sorted(by: { $0.key < $1.key }) {
            let place = DumpSelection.Place(function: function.address, region: .virtual(number))
            if let size = selection.sizes[place] ?? region.size {
                bars[number] = region.bar(number, size: size, hasNext: function.virtualRegions[number + 1] != nil)
            } else {
                missing.append(Self.lacking(place, "VF BAR \(number)", region))
            }
        }
        guard missing.isEmpty else {
            let text = "its virtual functions are not counted: " + Self.lacksSizes(missing)
            warnings.append(DumpWarning(text, line: function.line, function: function.address))
            return
        }
        let description = FunctionDescription(
            vendorID: function.vendorID ?? 0x1af4, deviceID: virtual.deviceID,
            classCode: function.classCode ?? 0xff0000, bars: bars)
        warnings.append(
            DumpWarning(
                "its virtual functions are counted without MSI-X: only they themselves can tell", line: function.line,
                function: function.address))
        for index in 0..<min(selection.virtualFunctions, virtual.total) {
            let id = Int(function.address.function.requesterID) + virtual.firstOffset + index * virtual.stride
            guard let id = UInt16(exactly: id) else {
                return skip(function.address, "its virtual function \(index) would pass ff:1f.7", line: function.line)
            }
            let source = DomainAddress(
                domain: function.address.domain, function: FunctionAddress(requesterID: id))
            if source == function.address || taken.contains(source) { continue }
            append(description, source: source, name: "virtual function of \(function.address)", line: function.line)
        }
    }

    private static func lacksSizes(_ missing: [String]) -> String {
        "the dump does not tell the size of " + missing.joined(separator: ", ")
    }

    private static func lacking(
        _ place: DumpSelection.Place, _ name: String, _ region: DumpedFunction.Region
    ) -> String {
        // BARs are naturally aligned, so that an address bounds the size.
        let most = region.base == 0 ? "" : "at most \(hexadecimal(region.base & (0 &- region.base))) bytes, "
        return "\(name) (\(most)--size \(place)=SIZE)"
    }
}

extension DumpedFunction.Region {
    /// How many ports there can be at an address; ports take no slots, so that nobody has to look up how many there are.
    fileprivate var mostPorts: UInt64? {
        kind == .io ? min(256, base == 0 ? 256 : base & (0 &- base)) : nil
    }

    /// As a BAR. What lies above 4 GiB is a 64-bit BAR, also where Enhanced Allocation put it there without one.
    fileprivate func bar(_ number: Int, size: UInt64, hasNext: Bool) -> BARDescription {
        let isWide = kind == .memory32 && base > UInt32.max && number < 5 && !hasNext
        return BARDescription(kind: isWide ? .memory64 : kind, size: size, isPrefetchable: isPrefetchable)
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
