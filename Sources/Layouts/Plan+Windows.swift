import Board
import Memslots
import PCI

extension Plan {
    /// The ranges of addresses that firmware has to find for the BARs of a layout.
    public struct Windows: Codable, Equatable, Sendable {
        /// What firmware usually gives to 64-bit BARs: a part of the address space, at a multiple of its size.
        public struct Share: Codable, Equatable, Sendable {
            public let addressBits: Int
            /// One of so many equal parts.
            public let parts: Int
            public let bytes: UInt64
            public let holds: Bool
        }

        /// Bytes below 4 GiB and of 64-bit addresses, as the layout is, with its bridges.
        public let need: [UInt64]
        /// Without bridges.
        public let flat: [UInt64]
        /// If each device of a root bus had a root port of its own.
        public let behindPorts: [UInt64]
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

    /// What would help where not everything has a place, in words: the first that is enough of larger apertures, more address bits,
    /// smaller BARs and fewer virtual functions.
    static func remedy(for layout: Layout, memory: UInt64, host: PlanningHost, board: AddressMap) -> String? {
        func holds(_ layout: Layout, _ apertures: Apertures?) -> Bool {
            guard let apertures else { return false }
            var assigner = AddressAssigner(apertures, avoiding: host.iommu.reserved)
            assigner.fixed = layout.fixed
            return (try? assigner.assign(layout.byAddress)) != nil
        }
        func largest(_ bits: Int) -> Apertures? {
            let choices = AddressMap.Choices(buses: layout.buses, segments: board.segments)
            var apertures = try? AddressMap(memory: memory, addressBits: bits, choices: choices).apertures
            if let first = apertures?.high?.first {
                apertures?.high = GuestRange(first: first, last: GuestAddress(1 << UInt64(bits) - 1))
            }
            return apertures
        }
        let bits = host.physicalAddressBits
        if let apertures = largest(bits), holds(layout, apertures) {
            return
                "no more than \(layout.buses) buses, and a 64-bit aperture of \(apertures.high.map { "\($0)" } ?? "none")"
        }
        if bits < 52, holds(layout, largest(52)) {
            return (bits + 1...52).first { holds(layout, largest($0)) }.map { "\($0) address bits" }
        }
        var smaller = layout
        for index in layout.functions.indices {
            for (bar, sizes) in layout.functions[index].resizable {
                smaller.functions[index].description.bars[bar]?.size = sizes.min() ?? 0
            }
        }
        if smaller != layout, holds(smaller, board.apertures) {
            return "the least sizes of the BARs that can be resized"
        }
        func holds(virtual count: Int) -> Bool {
            var rest = layout
            rest.functions.removeAll { $0.virtualIndex.map { $0 >= count } ?? false }
            for index in rest.functions.indices {
                rest.functions[index].description.virtualCount = min(
                    count, rest.functions[index].description.virtualCount)
            }
            return holds(rest, board.apertures)
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
