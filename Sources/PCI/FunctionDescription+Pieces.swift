public import Memslots

extension FunctionDescription {
    /// The registers of the function's BARs and ROM, in order of precedence.
    public var registers: [BaseAddressRegister] {
        bars.keys.sorted().map { .bar($0) } + (romSize == nil ? [] : [.rom])
    }

    /// Returns the BAR of `register`, or nil if there is none.
    public func bar(_ register: BaseAddressRegister) -> BARDescription? {
        if case .bar(let number) = register { bars[number] } else { nil }
    }

    /// Returns the size in bytes of the BAR or ROM of `register`, or nil if there is none.
    public func size(of register: BaseAddressRegister) -> UInt64? {
        switch register {
        case .bar: bar(register)?.size
        case .rom: romSize
        case .window: nil
        case .virtual(let number):
            virtualBARs[number].map { bar in
                // A product that is too large for the type becomes the largest number of the type.
                let (size, overflow) = bar.size.multipliedReportingOverflow(by: UInt64(max(0, virtualCount)))
                return overflow ? .max : size
            }
        }
    }

    /// Returns the pieces of the BAR or ROM of `register`, in order and without a gap. The description must be valid.
    ///
    /// A memory BAR is cut where its MSI-X table, its pending bits, its doorbell and its registers lie. The pages that hold a part
    /// of one of these structures are trapped, and neighbouring trapped pages form one piece. The other pages are mapped. A BAR or
    /// ROM smaller than a page is trapped, because a slot has whole pages. Mapped memory with more pages than a slot can have is
    /// several pieces. An I/O BAR has no pieces.
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
        // The largest power of two of pages that a slot can have.
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

    /// Returns the whole pages that hold a part of `range`.
    private func pages(of pageSize: UInt64, holding range: Range<UInt64>) -> Range<UInt64> {
        let mask = pageSize - 1
        return range.lowerBound & ~mask..<((range.upperBound &- 1) | mask) &+ 1
    }

    /// Returns the union of `ranges`, in order. Ranges that touch become one.
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
