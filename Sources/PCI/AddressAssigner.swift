public import Board
public import Memslots

/// The choice of addresses for BARs and ROMs, as firmware makes it. Each address is naturally aligned. The largest BARs get their
/// addresses first, so that there are few gaps. The same functions always get the same addresses.
///
/// 32-bit BARs go to the low aperture. 64-bit BARs go to the high aperture, or to the low one if the high one has no room. The ROMs
/// lie together above the BARs, because a ROM beside its BARs would cut every run of mappings.
///
/// The BARs and ROMs behind a bridge go into the bridge's windows. The windows are sized from the farthest bus up. They are then
/// placed like BARs, each at a multiple of the largest alignment in it. A prefetchable window has addresses of 64 bits and takes
/// the 64-bit prefetchable BARs. A memory window has addresses of 32 bits and takes the other memory BARs and the ROMs. An I/O
/// window for which there is no room stays closed, and the I/O BARs behind it get no addresses.
public struct AddressAssigner: Sendable {
    /// The ranges of addresses and ports in which BARs may lie.
    public let apertures: Apertures
    /// The addresses that some registers must have, even if other registers then find no room.
    public var fixed: [BAROwner: UInt64] = [:]
    /// The parts of the high aperture that stay free.
    private let avoided: [GuestRange]

    /// Creates an assigner.
    ///
    /// - Parameters:
    ///   - apertures: The ranges for BARs. The low aperture lies below 4 GiB, unless nothing is to be decoded there.
    ///   - avoided: The ranges of the high aperture that stay free, such as those that an IOMMU keeps for itself.
    public init(_ apertures: Apertures, avoiding avoided: [GuestRange] = []) {
        self.apertures = apertures
        self.avoided = avoided
    }

    /// Creates an assigner that places BARs, ROMs and windows as if the apertures in memory never ended. Its result tells how much
    /// room they would need. Nothing can be decoded at its addresses, but each BAR has the neighbours that it would have in
    /// apertures with enough room.
    public static func beyondAllLimits(_ apertures: Apertures) -> AddressAssigner {
        // The low aperture begins where the real one does. The high one begins 2^60 above the real one, which is a multiple of
        // every size that fits. So alignment leaves the same gaps in both.
        let highStart = (apertures.high?.first.rawValue ?? 0) + (1 << 60)
        guard let low = GuestRange(first: apertures.low.first, last: GuestAddress((1 << 60) - 1)),
            let high = GuestRange(first: GuestAddress(highStart), last: GuestAddress(.max))
        else { preconditionFailure("\(apertures) lie below 2^60") }
        return AddressAssigner(Apertures(low: low, high: high, ports: apertures.ports))
    }

    /// Returns the room that all BARs, ROMs and windows take, in apertures that begin at a multiple of every alignment and never
    /// end.
    ///
    /// - Parameter eachBehindPort: Whether each device of a root bus is to have a root port of its own.
    /// - Returns: The bytes below 4 GiB, the bytes at 64-bit addresses, and the number of ports. A number of all ones means that
    ///   more is needed than exists.
    public static func need(
        _ functions: [FunctionAddress: FunctionDescription], eachBehindPort: Bool = false
    ) -> [UInt64] {
        guard let requests = try? Requests.atRoot(functions, [:], eachBehindPort: eachBehindPort) else {
            return [.max, .max, .max]
        }
        return [requests.memory + requests.roms, requests.memory64, requests.ports].map { requests in
            var space = FreeRanges(0...1 << 62)
            return Request.inOrder(requests).reduce(0) { end, request in
                space.take(request.size, alignment: request.alignment).map { max(end, $0 + request.size) } ?? .max
            }
        }
    }

    /// Returns the addresses of all BARs, ROMs and windows, in the order of their owners. The descriptions must be valid.
    public func assign(
        _ functions: [FunctionAddress: FunctionDescription]
    ) throws(AssignmentError) -> [AddressAssignment] {
        let requests = try Requests.atRoot(functions, fixed)
        var placed: [AddressAssignment] = []

        var low = requests.memory
        if let high = apertures.high {
            var space = FreeRanges(high.first.rawValue...high.last.rawValue)
            for range in avoided { space.drop(range.first.rawValue...range.last.rawValue) }
            let left = try Request.place(requests.memory64, in: &space, into: &placed)
            if let huge = left.first(where: { $0.size > apertures.low.size }) {
                throw .noSpace(
                    owner: huge.owner, size: huge.size, aperture: "high", asked: Self.total(requests.memory64),
                    available: high.size)
            }
            low += left
        } else {
            low += requests.memory64
        }
        placed += try place(low, roms: requests.roms)

        var space = FreeRanges(UInt64(apertures.ports.lowerBound)...UInt64(apertures.ports.upperBound))
        let isWindow = { (request: Request) in request.owner.register == .window(.ports) }
        placed += try Self.place(
            requests.ports.filter { !isWindow($0) }, in: &space, named: "port", of: UInt64(apertures.ports.count),
            beside: 0)
        _ = try Request.place(requests.ports.filter(isWindow), in: &space, into: &placed)
        return placed.sorted { $0.owner < $1.owner }
    }

    /// Places BARs in the low aperture, and then ROMs. The ROMs lie above all the BARs, unless the caller has chosen addresses. A
    /// ROM with a chosen address is placed before the BARs without one.
    private func place(_ bars: [Request], roms: [Request]) throws(AssignmentError) -> [AddressAssignment] {
        let low = apertures.low
        var space = FreeRanges(low.first.rawValue...low.last.rawValue)
        let chosen = roms.filter { $0.base != nil }
        let roms = roms.filter { $0.base == nil }
        let placedBARs = try Self.place(
            bars + chosen, in: &space, named: "low", of: low.size, beside: Self.total(roms))
        if fixed.isEmpty, let last = placedBARs.map({ $0.base + ($0.size - 1) }).max() { space.drop(0...last) }
        let placedROMs = try Self.place(
            roms, in: &space, named: "low", of: low.size, beside: Self.total(bars + chosen))
        return placedBARs + placedROMs
    }

    /// Places all requests in a part of an aperture, or throws an error for the first request that finds no room. The error tells
    /// the aperture's `name`, its size (`available`), and the bytes of all requests and of `others` together.
    private static func place(
        _ requests: [Request], in space: inout FreeRanges, named name: String, of available: UInt64,
        beside others: UInt64
    ) throws(AssignmentError) -> [AddressAssignment] {
        var placed: [AddressAssignment] = []
        if let first = try Request.place(requests, in: &space, into: &placed).first {
            throw .noSpace(
                owner: first.owner, size: first.size, aperture: name, asked: total(requests) &+ others,
                available: available)
        }
        return placed
    }

    private static func total(_ requests: [Request]) -> UInt64 {
        requests.reduce(0) { $0 &+ $1.size }
    }
}

/// A block of addresses that is needed for a BAR or ROM, or for a window with everything that lies in it.
struct Request {
    let owner: BAROwner
    let size: UInt64
    let alignment: UInt64
    /// The address at which the block has to begin, or nil if it may lie anywhere.
    var base: UInt64?
    /// The BARs, ROMs and windows in a window. Their addresses count from the beginning of the window.
    var content: [AddressAssignment] = []

    /// Appends the address of the block, and the addresses of everything in it.
    func place(at base: UInt64, into placed: inout [AddressAssignment]) {
        placed.append(AddressAssignment(owner: owner, base: base, size: size))
        for inner in content {
            placed.append(AddressAssignment(owner: inner.owner, base: base + inner.base, size: inner.size))
        }
    }

    /// Takes the first free place for the block, or the place at `base`. Returns nil if there is no room, and throws if the block
    /// cannot lie at `base`.
    func take(from space: inout FreeRanges) throws(AssignmentError) -> UInt64? {
        guard let base else { return space.take(size, alignment: alignment) }
        guard !content.isEmpty || base.isMultiple(of: alignment), space.take(at: base, size) else {
            throw .fixed(owner: owner, base: base, size: size, aperture: space.whole)
        }
        return base
    }

    /// Places the blocks for which there is room, in the order of `inOrder`. Returns the other requests in that order.
    static func place(
        _ requests: [Request], in space: inout FreeRanges, into placed: inout [AddressAssignment]
    ) throws(AssignmentError) -> [Request] {
        var left: [Request] = []
        for request in inOrder(requests) {
            if let base = try request.take(from: &space) {
                request.place(at: base, into: &placed)
            } else {
                left.append(request)
            }
        }
        return left
    }

    /// Sorts requests in the order in which they are placed. Requests with a `base` come first, then those with the largest
    /// alignment. Of requests with the same alignment, those come first that leave the smallest gap before the next multiple of the
    /// alignment. If the gaps are equal too, ROMs come after BARs.
    static func inOrder(_ requests: [Request]) -> [Request] {
        func rank(_ request: Request) -> (UInt64, Int, BAROwner) {
            let rest = (0 &- request.size) & (request.alignment - 1)
            return (rest, request.owner.register == .rom ? 1 : 0, request.owner)
        }
        return requests.sorted { left, right in
            if (left.base == nil) != (right.base == nil) { return right.base == nil }
            if left.alignment != right.alignment { return left.alignment > right.alignment }
            return rank(left) < rank(right)
        }
    }
}

/// The blocks of addresses that are needed on a bus, by the kind of address that they take.
struct Requests {
    var memory: [Request] = []
    /// The requests for 64-bit addresses.
    var memory64: [Request] = []
    var ports: [Request] = []
    var roms: [Request] = []

    /// Collects the requests of all root buses. Everything behind a bridge of a root bus is contained in the requests for the
    /// windows of that bridge.
    static func atRoot(
        _ functions: [FunctionAddress: FunctionDescription], _ fixed: [BAROwner: UInt64], eachBehindPort: Bool = false
    ) throws(AssignmentError) -> Requests {
        let bridges: BridgeTree
        do { bridges = try BridgeTree(functions) } catch { throw .bridges(error) }
        var behind: [FunctionAddress?: Requests] = [:]
        var ports = Array(bridges.bottomUp)
        for (address, description) in functions {
            var bridge = bridges.bridge(above: address)
            if eachBehindPort, bridge == nil, description.bridge == nil {
                // The root port that the device would have does not exist. Here it has the address of the device's function 0.
                let port = FunctionAddress(requesterID: address.requesterID & ~7, segment: address.segment)
                if behind[port] == nil, bridges.isEmpty || functions[port]?.bridge == nil { ports.append(port) }
                bridge = port
            }
            behind[bridge, default: Requests()].add(address, description, fixed, isBehind: bridge != nil)
        }
        for bridge in ports {
            let inner = behind.removeValue(forKey: bridge) ?? Requests()
            let reserve = functions[bridge]?.bridge?.reserve ?? [:]
            func window(_ window: BridgeWindow, _ requests: [Request]) throws(AssignmentError) -> [Request] {
                try Self.window(window, of: bridge, requests, reserve[window] ?? 0)
            }
            var outer = behind.removeValue(forKey: bridges.bridge(above: bridge)) ?? Requests()
            outer.ports += try window(.ports, inner.ports)
            outer.memory += try window(.memory, inner.memory + inner.roms)
            outer.memory64 += try window(.prefetchable, inner.memory64)
            behind[bridges.bridge(above: bridge)] = outer
        }
        return behind[nil] ?? Requests()
    }

    /// Adds the requests of a function's BARs and ROM, and of the BARs of its virtual functions.
    mutating func add(
        _ address: FunctionAddress, _ description: FunctionDescription, _ fixed: [BAROwner: UInt64],
        isBehind: Bool
    ) {
        func add(_ register: BaseAddressRegister, _ bar: BARDescription?, _ size: UInt64) {
            let owner = BAROwner(function: address, register: register)
            let base = fixed.isEmpty ? nil : fixed[owner]
            let request = Request(owner: owner, size: size, alignment: bar?.size ?? size, base: base)
            switch bar?.kind {
            case nil: roms.append(request)
            case .io: ports.append(request)
            case .memory64 where bar?.isPrefetchable == true || !isBehind:
                memory64.append(request)
            case .memory32, .memory64: memory.append(request)
            }
        }
        for (number, bar) in description.bars { add(.bar(number), bar, bar.size) }
        if let size = description.romSize { add(.rom, nil, size) }
        for (number, bar) in description.virtualBARs where description.virtualCount > 0 {
            add(.virtual(number), bar, description.size(of: .virtual(number)) ?? 0)
        }
    }

    /// Returns the request for a bridge's window that contains these requests. Returns no request if there are none to contain and
    /// the bridge reserves no room.
    private static func window(
        _ window: BridgeWindow, of bridge: FunctionAddress, _ requests: [Request], _ reserve: UInt64
    ) throws(AssignmentError) -> [Request] {
        guard !requests.isEmpty || reserve > 0 else { return [] }
        func roundedUp(_ size: UInt64) -> UInt64 { (size + (window.granule - 1)) & ~(window.granule - 1) }
        let first = requests.compactMap(\.base).min().map { $0 & ~(window.granule - 1) }
        let start = first ?? 0
        var space = FreeRanges(start...max(start, 1 << 62))
        var content: [AddressAssignment] = []
        var end = start
        for request in Request.inOrder(requests) {
            guard let base = try request.take(from: &space) else {
                throw .noSpace(
                    owner: request.owner, size: request.size, aperture: window.name, asked: .max, available: 1 << 62)
            }
            request.place(at: base - start, into: &content)
            end = max(end, base + request.size)
        }
        // A device that is plugged in later may have a BAR of the largest power of two that fits into the reserve.
        let largest = window == .ports || reserve == 0 ? 1 : UInt64(1) << UInt64(63 - reserve.leadingZeroBitCount)
        let alignment = requests.reduce(max(window.granule, largest)) { max($0, $1.alignment) }
        return [
            Request(
                owner: BAROwner(function: bridge, register: .window(window)),
                size: roundedUp(max(end - start, reserve)), alignment: alignment,
                base: first, content: content)
        ]
    }
}
