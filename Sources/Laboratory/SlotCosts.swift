internal import Board
internal import Host
internal import Images
internal import Machine
internal import Memslots

/// The prices of changes of one-page slots on a host. Each change is a transaction of its own, and no vCPU runs.
public struct SlotCosts: Codable, Sendable {
    /// The medians of some changes of each kind.
    public let createMicroseconds: Double
    public let moveMicroseconds: Double
    public let flagsMicroseconds: Double
    public let deleteMicroseconds: Double
    /// The growth of VmallocUsed and Slab for each slot; nil where the rest of the host was too busy to tell.
    public let kernelBytes: Int?

    private static let count = 64

    static func measured() throws(MachineError) -> SlotCosts {
        let code: [UInt8] = [0xf4]  // hlt; it never runs
        let machine = try GuestMachine(
            MachineConfiguration(mode: .real, spareMemory: UInt64(count) * Page.size), flat: code)
        var mappings: [Mapping] = []
        for page in 0..<count {
            mappings.append(
                Mapping(range: range(page, row: 0), backing: try machine.allocate(Page.size), owner: .other(page)))
        }
        let before = try kernelMemory()
        let create = try median { page throws(MachineError) in try machine.changeMemory(adding: [mappings[page]]) }
        let after = try kernelMemory()
        let move = try median { page throws(MachineError) in
            var moved = mappings[page]
            moved.range = range(page, row: 1)
            try machine.changeMemory(removing: [mappings[page].range], adding: [moved])
        }
        let flags = try median { page throws(MachineError) in
            try machine.setDirtyLogging(true, in: range(page, row: 1))
        }
        let delete = try median { page throws(MachineError) in
            try machine.changeMemory(removing: [range(page, row: 1)])
        }
        return SlotCosts(
            createMicroseconds: create, moveMicroseconds: move, flagsMicroseconds: flags, deleteMicroseconds: delete,
            kernelBytes: after > before ? Int(after - before) / count : nil)
    }

    /// The range of a slot: every other page, so that no two slots touch. Rows lie 16 MiB apart.
    private static func range(_ page: Int, row: UInt64) -> GuestRange {
        .page(at: AddressMap.standard.apertures.low.first.rawValue + row << 24 + UInt64(page) << 13)
    }

    private static func median(_ change: (Int) throws(MachineError) -> Void) throws(MachineError) -> Double {
        var times = Latencies()
        for page in 0..<count {
            times.append(try measure { () throws(MachineError) in try change(page) })
        }
        return times.microseconds.sorted()[count / 2]
    }

    private static func kernelMemory() throws(MachineError) -> UInt64 {
        let figures = try host(try KernelFigures.ofHost())
        return (figures.bytes("VmallocUsed") ?? 0) + (figures.bytes("Slab") ?? 0)
    }
}
