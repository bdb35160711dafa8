import Memslots
public import PCI

/// The advice to move the MSI-X structures out of a BAR with which they share pages: the BAR now, and without them.
public struct Advice: Hashable, Sendable {
    /// A BAR that shares pages with MSI-X structures.
    public struct BAR: Hashable, Sendable {
        /// The BAR's number, 0 to 5.
        public let number: Int
        /// The bytes of the BAR's trapped pages that belong to neither the table nor the pending bits. Accesses to these bytes
        /// exit too.
        public let sharedBytes: UInt64
        /// The number of mapped pieces that the BAR has now.
        public let pieces: Int
        /// The number of mapped pieces that the BAR would have with the structures in another BAR.
        public let piecesWithout: Int

        /// The number of separate slots that each function would save.
        public var savedSlots: Int { pieces - piecesWithout }
    }

    /// The BAR.
    public let bar: BAR
    /// The addresses of all functions with such a BAR, in order, as the dump or the layout names them.
    public let functions: [DomainAddress]

    /// Returns the advice for a layout. Functions with equal BARs share one entry.
    static func of(_ layout: Layout) -> [Advice] {
        var functions: [BAR: [DomainAddress]] = [:]
        var last: (description: FunctionDescription, bars: [BAR])?
        for function in layout.functions where function.description.msix != nil {
            if last?.description != function.description {
                last = (function.description, bars(of: function.description))
            }
            for bar in last?.bars ?? [] { functions[bar, default: []].append(function.source) }
        }
        return functions.map { Advice(bar: $0.key, functions: $0.value) }.sorted {
            ($0.functions[0], $0.bar.number) < ($1.functions[0], $1.bar.number)
        }
    }

    private static func bars(of description: FunctionDescription) -> [BAR] {
        guard let msix = description.msix else { return [] }
        var without = description
        without.msix = nil
        without.doorbell = nil
        return Set([msix.table.bar, msix.pendingBits.bar]).sorted().compactMap { number in
            let pieces = description.pieces(of: .bar(number))
            let trapped = pieces.filter { $0.kind == .trapped }
            let bytes = trapped.reduce(0) { $0 + $1.size }
            let own = msix.bytes(in: number)
            guard let size = description.size(of: .bar(number)), size >= Page.size, bytes > own else { return nil }
            let mapped = pieces.count - trapped.count
            let mappedWithout = without.pieces(of: .bar(number)).count { $0.kind == .mapped }
            // A BAR that is trapped whole may exist for the structures alone.
            guard mapped > 0 else { return nil }
            return BAR(number: number, sharedBytes: bytes - own, pieces: mapped, piecesWithout: mappedWithout)
        }
    }
}

extension MSIXDescription {
    /// Returns the bytes of the table and of the pending bits that lie in a BAR.
    fileprivate func bytes(in bar: Int) -> UInt64 {
        (table.bar == bar ? 16 * UInt64(vectors) : 0)
            + (pendingBits.bar == bar ? UInt64((vectors + 63) / 64 * 8) : 0)
    }
}
