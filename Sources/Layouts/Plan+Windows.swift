import Board
public import Memslots
import PCI

extension Plan {
    /// The ranges of addresses that firmware has to find for the BARs of a layout.
    public struct Windows: Codable, Equatable, Sendable {
        /// Bytes below 4 GiB, and of 64-bit addresses.
        public struct Need: Codable, Equatable, Sendable {
            public let low: UInt64
            public let high: UInt64

            init(_ need: (low: UInt64, high: UInt64)?) {
                // More than there are addresses.
                (low, high) = need ?? (.max, .max)
            }
        }

        /// A root port and the bytes of its windows.
        public struct Port: Codable, Equatable, Sendable {
            public let address: String
            public let memory: UInt64
            public let prefetchable: UInt64
        }

        /// What firmware usually gives to 64-bit BARs: a part of the address space, at a multiple of its size.
        public struct Share: Codable, Equatable, Sendable {
            public let addressBits: Int
            /// One of so many equal parts.
            public let parts: Int
            public let bytes: UInt64
            public let holds: Bool
        }

        /// As the layout is, with its bridges.
        public let need: Need
        /// Without bridges.
        public let flat: Need
        /// If each device of a root bus had a root port of its own.
        public let behindPorts: Need
        public let ports: [Port]
        public let shares: [Share]

        init(_ layout: Layout, _ windows: [AddressAssignment], _ host: PlanningHost) {
            let functions = layout.byAddress
            let hasBridges = functions.values.contains { $0.bridge != nil }
            need = Need(AddressAssigner.need(functions))
            flat = hasBridges ? Need(AddressAssigner.need(functions.filter { $0.value.bridge == nil })) : need
            let behindPorts = Need(AddressAssigner.need(functions, eachBehindPort: true))
            self.behindPorts = behindPorts
            let sizes = Dictionary(grouping: windows, by: \.owner.function)
            ports = layout.functions.filter { function in
                function.description.bridge != nil
                    && !layout.functions.contains {
                        $0.address.segment == function.address.segment
                            && $0.description.bridge?.leads(to: function.address.bus) == true
                    }
            }.map { port in
                func size(_ window: BridgeWindow) -> UInt64 {
                    sizes[port.address]?.first { $0.owner.register == .window(window) }?.size ?? 0
                }
                return Port(address: "\(port.source)", memory: size(.memory), prefetchable: size(.prefetchable))
            }
            shares = Set([39, 46, 52, host.physicalAddressBits]).sorted().flatMap { bits in
                [8, 4].map { parts in
                    let bytes = (UInt64(1) << UInt64(bits)) / UInt64(parts)
                    return Share(addressBits: bits, parts: parts, bytes: bytes, holds: behindPorts.high <= bytes)
                }
            }
        }
    }

    /// A change with which everything would have a place.
    public enum Remedy: Hashable, Sendable {
        /// A larger aperture above 4 GiB, and buses no more than there are functions on, for a larger one below.
        case apertures(high: GuestRange?, buses: Int)
        case addressBits(Int)
        /// The least sizes of the BARs that can be resized.
        case smallerBARs([DumpSelection.Place: UInt64])
        /// No more than so many virtual functions of each function.
        case virtualFunctions(Int)

        /// The first that helps.
        static func first(
            for layout: Layout, memory: UInt64, host: PlanningHost, choices board: AddressMap
        ) -> Remedy? {
            let functions = layout.byAddress
            func holds(_ functions: [FunctionAddress: FunctionDescription], _ apertures: Apertures?) -> Bool {
                guard let apertures else { return false }
                var assigner = AddressAssigner(apertures, avoiding: host.iommu.reserved)
                assigner.fixed = layout.fixed
                return (try? assigner.assign(functions)) != nil
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
            if let apertures = largest(bits), holds(functions, apertures) {
                return .apertures(high: apertures.high, buses: layout.buses)
            }
            if bits < 52, holds(functions, largest(52)) {
                return (bits + 1...52).first { holds(functions, largest($0)) }.map { .addressBits($0) }
            }
            var smaller = layout
            var sizes: [DumpSelection.Place: UInt64] = [:]
            for index in layout.functions.indices {
                for (bar, possible) in layout.functions[index].resizable {
                    guard let least = possible.min(), let size = layout.functions[index].description.bars[bar]?.size,
                        least < size
                    else { continue }
                    smaller.functions[index].description.bars[bar]?.size = least
                    sizes[.init(function: layout.functions[index].source, region: .register(.bar(bar)))] = least
                }
            }
            if !sizes.isEmpty, holds(smaller.byAddress, board.apertures) { return .smallerBARs(sizes) }
            func holds(virtual count: Int) -> Bool {
                var rest = layout
                rest.functions.removeAll { $0.virtualIndex.map { $0 >= count } ?? false }
                return holds(
                    rest.byAddress.mapValues { description in
                        var description = description
                        description.virtualCount = min(description.virtualCount, UInt64(count))
                        if count == 0 { description.virtualBARs = [:] }
                        return description
                    }, board.apertures)
            }
            let hasVirtual = layout.functions.contains { $0.virtualIndex != nil || $0.description.virtualCount > 0 }
            guard hasVirtual, holds(virtual: 0) else { return nil }
            var (some, many) = (0, 1 << 16)
            while many - some > 1 {
                let count = (some + many) / 2
                if holds(virtual: count) { some = count } else { many = count }
            }
            return .virtualFunctions(some)
        }
    }
}
