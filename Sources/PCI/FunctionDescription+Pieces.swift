public import Memslots

extension FunctionDescription {
    /// The function's base address registers in order of precedence.
    public var registers: [BaseAddressRegister] {
        bars.keys.sorted().map { .bar($0) } + (romSize == nil ? [] : [.rom])
    }

    /// Bytes behind `register`, or nil where there is nothing.
    public func size(of register: BaseAddressRegister) -> UInt64? {
        switch register {
        case .bar(let number): bars[number]?.size
        case .rom: romSize
        case .window: nil
        case .virtual(let number):
            virtualBARs[number].map { bar in
                // No more than there are numbers for.
                let (size, overflow) = bar.size.multipliedReportingOverflow(by: UInt64(max(0, virtualCount)))
                return overflow ? .max : size
            }
        }
    }

    /// The pieces behind `register`, in order and without a gap; the description must be valid.
    ///
    /// A memory BAR is cut where its MSI-X table, its pending bits, its doorbell and its registers lie: the pages that hold
    /// a part of one are trapped, neighbours together, and the rest is mapped. What is smaller than a page is trapped, since
    /// a slot cannot be, and what has more pages than a slot is several pieces. Ports have no pieces.
    ///
    /// - Parameter pageSize: The size of a page of the host, a power of two, in bytes.
    public func pieces(of register: BaseAddressRegister, pageSize: UInt64 = Page.size) -> [BARPiece] {
        guard let size = size(of: register) else { return [] }
        var trapped: [Range<UInt64>] = []
        if case .bar(let number) = register {
            guard let bar = bars[number], bar.kind != .io else { return [] }
            trapped = bar.registers + parts.lazy.filter { $0.location.bar == number }.map(\.offsets)
        }
        guard size >= pageSize else { return [BARPiece(offsets: 0..<size, kind: .trapped)] }
        // The largest power of two that is not above the pages of a slot.
        let most = pageSize << 30
        if trapped.isEmpty, size <= most { return [BARPiece(offsets: 0..<size, kind: .mapped)] }

        var pieces: [BARPiece] = []
        var end: UInt64 = 0
        func add(_ upperBound: UInt64, _ kind: BARPiece.Kind) {
            while upperBound > end {
                let next = kind == .mapped ? min(upperBound, end + most) : upperBound
                pieces.append(BARPiece(offsets: end..<next, kind: kind))
                end = next
            }
        }
        for range in joined(trapped.map({ pages(of: pageSize, holding: $0) })) {
            add(range.lowerBound, .mapped)
            add(range.upperBound, .trapped)
        }
        add(size, .mapped)
        return pieces
    }

    private func pages(of pageSize: UInt64, holding range: Range<UInt64>) -> Range<UInt64> {
        let mask = pageSize - 1
        return range.lowerBound & ~mask..<((range.upperBound &- 1) | mask) &+ 1
    }

    /// The union of `ranges`, in order; ranges that touch become one.
    private func joined(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        var union: [Range<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = union.last, range.lowerBound <= last.upperBound {
                union[union.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                union.append(range)
            }
        }
        return union
    }
}
