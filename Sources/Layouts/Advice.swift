import Memslots
public import PCI

/// A BAR that shares pages with its MSI-X structures, and what it would be without them.
public struct Advice: Hashable, Sendable {
    public struct BAR: Hashable, Sendable {
        public let number: Int
        /// Bytes of the trapped pages that belong to neither table nor pending bits: accesses to them exit too.
        public let sharedBytes: UInt64
        /// Mapped pieces now, and with the structures in another BAR.
        public let pieces: Int
        public let piecesWithout: Int

        /// Slots of their own that each function would save.
        public var savedSlots: Int { pieces - piecesWithout }
    }

    public let bar: BAR
    /// All functions to which it applies, in order, as the dump or the layout names them.
    public let functions: [DomainAddress]

    /// The advice for a layout, each piece of it once.
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
            // A BAR that is trapped whole may be there for the structures alone.
            guard mapped > 0 else { return nil }
            return BAR(number: number, sharedBytes: bytes - own, pieces: mapped, piecesWithout: mappedWithout)
        }
    }
}

extension MSIXDescription {
    /// Bytes of the table and the pending bits that lie in a BAR.
    fileprivate func bytes(in bar: Int) -> UInt64 {
        (table.bar == bar ? 16 * UInt64(vectors) : 0)
            + (pendingBits.bar == bar ? UInt64((vectors + 63) / 64 * 8) : 0)
    }
}
