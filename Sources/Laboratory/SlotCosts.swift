internal import Board
internal import Host
internal import Images
internal import Machine
internal import Memslots

/// What changes of one-page slots cost on a host, each a transaction of its own on a machine whose vCPU does not run.
public struct SlotCosts: Encodable, Sendable {
    /// Medians.
    public let createMicroseconds: Double
    public let moveMicroseconds: Double
    public let flagsMicroseconds: Double
    public let deleteMicroseconds: Double
    /// What VmallocUsed and Slab grew by, for each slot. Nil where the rest of the host was too busy to tell.
    public let kernelBytes: Int?

    private static let count = 64

    init() throws(MachineError) {
        let code: [UInt8] = [0xf4]  // hlt; it never runs
        let machine = try GuestMachine(
            MachineConfiguration(mode: .real, spareMemory: UInt64(Self.count) * Page.size), flat: code)
        var mappings: [Mapping] = []
        for page in 0..<UInt64(Self.count) {
            mappings.append(
                Mapping(
                    range: Self.range(page, row: 0), backing: try machine.allocate(Page.size), owner: .other(Int(page)))
            )
        }
        let before = try Self.kernelMemory()
        createMicroseconds = try Self.median { page throws(MachineError) in
            try machine.changeMemory(adding: [mappings[page]])
        }
        let after = try Self.kernelMemory()
        kernelBytes = after > before ? Int(after - before) / Self.count : nil

        moveMicroseconds = try Self.median { page throws(MachineError) in
            var moved = mappings[page]
            moved.range = Self.range(UInt64(page), row: 1)
            try machine.changeMemory(removing: [mappings[page].range], adding: [moved])
        }
        flagsMicroseconds = try Self.median { page throws(MachineError) in
            try machine.setDirtyLogging(true, in: Self.range(UInt64(page), row: 1))
        }
        deleteMicroseconds = try Self.median { page throws(MachineError) in
            try machine.changeMemory(removing: [Self.range(UInt64(page), row: 1)])
        }
    }

    /// Every other page, so that no two slots touch; rows lie 16 MiB apart.
    private static func range(_ page: UInt64, row: UInt64) -> GuestRange {
        let first = AddressMap.standard.apertures.low.first.rawValue + row << 24 + page << 13
        guard let range = GuestRange(first: GuestAddress(first), size: Page.size) else {
            preconditionFailure("\(first) lies below 4 GiB")
        }
        return range
    }

    private static func median(_ change: (Int) throws(MachineError) -> Void) throws(MachineError) -> Double {
        var times: [Int64] = []
        for page in 0..<count {
            let start = SuspendingClock.now
            try change(page)
            times.append((SuspendingClock.now - start).nanoseconds)
        }
        return Double(times.sorted()[count / 2]) / 1000
    }

    private static func kernelMemory() throws(MachineError) -> UInt64 {
        let figures = try host(try KernelFigures.ofHost())
        return (figures.bytes("VmallocUsed") ?? 0) + (figures.bytes("Slab") ?? 0)
    }
}
