import Board
import Memslots
import PCI

extension Plan {
    /// The ranges of addresses that firmware has to find for the BARs of a layout.
    public struct Windows: Codable, Equatable, Sendable {
        /// A range that firmware usually gives to 64-bit BARs: one of several equal parts of the address space. The range
        /// begins at a multiple of its size.
        public struct Share: Codable, Equatable, Sendable {
            /// The width of addresses, in bits.
            public let addressBits: Int
            /// The number of equal parts of the address space, of which the range is one.
            public let parts: Int
            /// The size of the range.
            public let bytes: UInt64
            /// Whether the range holds all 64-bit BARs if each device of a root bus has a root port of its own.
            public let holds: Bool
        }

        /// The bytes below 4 GiB, the bytes of 64-bit addresses, and the ports of the layout with its bridges.
        public let need: [UInt64]
        /// The same three numbers without bridges.
        public let flat: [UInt64]
        /// The same three numbers if each device of a root bus had a root port of its own.
        public let behindPorts: [UInt64]
        /// The ranges that firmware usually gives to 64-bit BARs, for several widths of addresses.
        public let shares: [Share]

        init(_ layout: Layout, _ host: PlanningHost) {
            let functions = layout.byAddress
            need = AddressAssigner.need(functions)
            let hasBridges = functions.values.contains { $0.bridge != nil }
            flat = hasBridges ? AddressAssigner.need(functions.filter { $0.value.bridge == nil }) : need
            let behindPorts = AddressAssigner.need(functions, eachBehindPort: true)
            self.behindPorts = behindPorts
            shares = Set([39, 46, 52, host.physicalAddressBits]).sorted().flatMap { bits in
                [8, 4].map { parts in
                    let bytes = (UInt64(1) << UInt64(bits)) / UInt64(parts)
                    return Share(addressBits: bits, parts: parts, bytes: bytes, holds: behindPorts[1] <= bytes)
                }
            }
        }
    }
}

/// A search for changes with which everything has a place.
struct Remedy {
    let memory: UInt64
    let host: PlanningHost
    let choices: AddressMap.Choices

    /// Returns the first change that is enough, in words. It tries larger apertures, more address bits, smaller BARs, and fewer
    /// virtual functions, in this order.
    func first(for layout: Layout) -> String? {
        apertures(for: layout) ?? smallerBARs(of: layout) ?? fewerVirtualFunctions(of: layout)
    }

    private func board(_ bits: Int, _ choices: AddressMap.Choices) -> AddressMap? {
        try? AddressMap(memory: memory, addressBits: bits, choices: choices)
    }

    /// Returns whether everything has a place on the board `other`, or on the board of the plan if `other` is nil.
    private func holds(_ layout: Layout, _ other: AddressMap? = nil) -> Bool {
        guard let board = other ?? board(host.physicalAddressBits, choices) else { return false }
        var assigner = AddressAssigner(board.apertures, avoiding: host.iommu.reserved)
        assigner.fixed = layout.fixed
        return (try? assigner.assign(layout.byAddress)) != nil
    }

    private func apertures(for layout: Layout) -> String? {
        var (few, many) = (host.physicalAddressBits, 52)
        if let text = change(few, for: layout) { return text }
        guard few < many, change(many, for: layout) != nil else { return nil }
        while many - few > 1 {
            let bits = (few + many) / 2
            if change(bits, for: layout) != nil { many = bits } else { few = bits }
        }
        return change(many, for: layout)
    }

    /// Returns the fewest changes of the board with which everything has a place, in words. The possible changes are a larger
    /// 64-bit aperture, the usual 32-bit aperture, and no more buses than needed.
    ///
    /// - Parameter bits: The width of addresses.
    private func change(_ bits: Int, for layout: Layout) -> String? {
        for (isHigh, isLow, isBuses) in [
            (false, false, false), (true, false, false), (false, true, false), (false, false, true),
            (true, true, false),
            (true, false, true), (false, true, true), (true, true, true),
        ] where !isLow || choices.lowAperture != nil {
            var chosen = choices
            if isHigh {
                chosen.highAperture = nil
                let first = board(bits, chosen)?.apertures.high?.first
                let last = GuestAddress(1 << UInt64(bits) - 1)
                chosen.highAperture = first.flatMap { GuestRange(first: $0, last: last) }
            }
            if isLow { chosen.lowAperture = nil }
            if isBuses { chosen.buses = layout.buses }
            guard let board = board(bits, chosen), holds(layout, board) else { continue }
            let words = [
                bits > host.physicalAddressBits ? "\(bits) address bits" : nil,
                isBuses ? "no more than \(layout.buses) bus\(layout.buses == 1 ? "" : "es")" : nil,
                isLow ? "a 32-bit aperture of \(board.apertures.low)" : nil,
                isHigh ? board.apertures.high.map { "a 64-bit aperture of \($0)" } : nil,
            ]
            return words.compactMap(\.self).joined(separator: ", and ")
        }
        return nil
    }

    private func smallerBARs(of layout: Layout) -> String? {
        var smaller = layout
        for index in layout.functions.indices {
            for (bar, sizes) in layout.functions[index].resizable {
                var description = smaller.functions[index].description
                for size in sizes.sorted(by: >) where size < description.bars[bar]?.size ?? 0 {
                    description.bars[bar]?.size = size
                    // Structures in the BAR have to stay in it.
                    if (try? description.validate()) != nil { smaller.functions[index].description = description }
                }
            }
        }
        return smaller != layout && holds(smaller) ? "the least sizes of the BARs that can be resized" : nil
    }

    private func fewerVirtualFunctions(of layout: Layout) -> String? {
        func holds(virtual count: Int) -> Bool {
            var rest = layout
            rest.functions.removeAll { $0.virtualIndex.map { $0 >= count } ?? false }
            for index in rest.functions.indices {
                rest.functions[index].description.virtualCount = min(
                    count, rest.functions[index].description.virtualCount)
            }
            return self.holds(rest)
        }
        let hasVirtual = layout.functions.contains { $0.virtualIndex != nil || $0.description.virtualCount > 0 }
        guard hasVirtual, holds(virtual: 0) else { return nil }
        var (some, many) = (0, 1 << 16)
        while many - some > 1 {
            let count = (some + many) / 2
            if holds(virtual: count) { some = count } else { many = count }
        }
        return "no more than \(some) virtual functions of each function"
    }
}
