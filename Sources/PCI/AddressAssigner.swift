public import Board
public import Memslots

/// Finds addresses for BARs and ROMs, as firmware does: naturally aligned, the largest first, so that they lie densely.
///
/// 32-bit BARs go to the low aperture, 64-bit ones to the high one, or to the low one where there is no room. The ROMs lie
/// together behind the BARs: a ROM beside its BARs would cut every run of slots. Equal descriptions give equal addresses.
public struct AddressAssigner: Sendable {
    public let apertures: Apertures
    /// The last address that 32-bit BARs and ROMs reach.
    private let lowLimit: UInt64
    /// Parts of the high aperture that stay free.
    private let avoided: [GuestRange]

    /// Creates an assigner that leaves the ranges `avoided` free in the high aperture, such as those that an IOMMU keeps for itself.
    public init(_ apertures: Apertures, avoiding avoided: [GuestRange] = []) {
        self.init(apertures, avoiding: avoided, lowLimit: UInt64(UInt32.max))
    }

    private init(_ apertures: Apertures, avoiding avoided: [GuestRange], lowLimit: UInt64) {
        self.apertures = apertures
        self.avoided = avoided
        self.lowLimit = lowLimit
    }

    /// Places everything as if no address space ended: how much room there would have to be. Nothing can be decoded at such
    /// addresses, but everything has the neighbours that it would have.
    public static func beyondAllLimits(_ apertures: Apertures) -> AddressAssigner {
        // Both begin where they do, below multiples of every size that fits, so that alignment leaves the same gaps.
        let highStart = (apertures.high?.first.rawValue ?? 0) + (1 << 60)
        guard let low = GuestRange(first: apertures.low.first, last: GuestAddress((1 << 60) - 1)),
            let high = GuestRange(first: GuestAddress(highStart), last: GuestAddress(.max))
        else { preconditionFailure("\(apertures) lie below 2^60") }
        return AddressAssigner(Apertures(low: low, high: high, ports: apertures.ports), avoiding: [], lowLimit: .max)
    }

    /// The addresses of everything, in order of owners; the descriptions must be valid.
    public func assign(
        _ functions: [FunctionAddress: FunctionDescription]
    ) throws(AssignmentError) -> [AddressAssignment] {
        guard apertures.low.last.rawValue <= lowLimit else { throw .lowApertureAbove4GiB(apertures.low) }
        let requests = Requests(functions)
        var placed: [AddressAssignment] = []

        var low = requests.memory32
        if let high = apertures.high {
            var space = FreeRanges(high.first.rawValue...high.last.rawValue)
            for range in avoided { space.drop(range.first.rawValue...range.last.rawValue) }
            for request in requests.memory64 {
                if let base = space.take(request.size) {
                    placed.append(request.placed(at: base))
                } else if request.size <= apertures.low.size {
                    low.append(request)
                } else {
                    throw .noSpace(
                        owner: request.owner, size: request.size, aperture: "high",
                        asked: Self.total(requests.memory64), available: high.size)
                }
            }
        } else {
            low += requests.memory64
        }
        placed += try place(Requests.largestFirst(low), roms: requests.roms)

        let ports = UInt64(apertures.ports.lowerBound)...UInt64(apertures.ports.upperBound)
        var space = FreeRanges(ports)
        placed += try Self.place(
            requests.ports, in: &space, named: "port", of: UInt64(apertures.ports.count), beside: 0)
        return placed.sorted { $0.owner < $1.owner }
    }

    /// Fills the low aperture.
    private func place(_ bars: [Request], roms: [Request]) throws(AssignmentError) -> [AddressAssignment] {
        let low = apertures.low
        var space = FreeRanges(low.first.rawValue...low.last.rawValue)
        let placedBARs = try Self.place(
            bars, in: &space, named: "low", of: low.size, beside: Self.total(roms))
        space.drop(below: placedBARs.map { $0.base + $0.size }.max() ?? 0)
        let placedROMs = try Self.place(
            roms, in: &space, named: "low", of: low.size, beside: Self.total(bars))
        return placedBARs + placedROMs
    }

    private static func place(
        _ requests: [Request], in space: inout FreeRanges, named name: String, of available: UInt64,
        beside others: UInt64
    ) throws(AssignmentError) -> [AddressAssignment] {
        var placed: [AddressAssignment] = []
        for request in requests {
            guard let base = space.take(request.size) else {
                throw .noSpace(
                    owner: request.owner, size: request.size, aperture: name, asked: total(requests) &+ others,
                    available: available)
            }
            placed.append(request.placed(at: base))
        }
        return placed
    }

    private static func total(_ requests: [Request]) -> UInt64 {
        requests.reduce(0) { $0 &+ $1.size }
    }
}

/// A block of addresses that somebody needs.
private struct Request {
    let owner: BAROwner
    let size: UInt64

    func placed(at base: UInt64) -> AddressAssignment {
        AddressAssignment(owner: owner, base: base, size: size)
    }
}

/// All that has to be placed, by kind, the largest first.
private struct Requests {
    var memory32: [Request] = []
    var memory64: [Request] = []
    var ports: [Request] = []
    var roms: [Request] = []

    init(_ functions: [FunctionAddress: FunctionDescription]) {
        for (address, description) in functions.sorted(by: { $0.key < $1.key }) {
            for register in description.registers {
                guard let size = description.size(of: register) else { continue }
                let request = Request(owner: BAROwner(function: address, register: register), size: size)
                guard case .bar(let number) = register else {
                    roms.append(request)
                    continue
                }
                switch description.bars[number]?.kind {
                case .memory32: memory32.append(request)
                case .memory64: memory64.append(request)
                case .io: ports.append(request)
                case nil: break
                }
            }
        }
        memory32 = Self.largestFirst(memory32)
        memory64 = Self.largestFirst(memory64)
        ports = Self.largestFirst(ports)
        roms = Self.largestFirst(roms)
    }

    static func largestFirst(_ requests: [Request]) -> [Request] {
        requests.sorted { $0.size != $1.size ? $0.size > $1.size : $0.owner < $1.owner }
    }
}
