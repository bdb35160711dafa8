internal import Board
internal import Host
internal import Images
internal import Machine
internal import Memslots

/// The prices of changes of one-page slots on this host. Each change is a transaction of its own, and no vCPU runs.
public struct SlotCosts: Codable, Sendable {
    /// The median time of a create.
    public let createMicroseconds: Double
    /// The median time of a move.
    public let moveMicroseconds: Double
    /// The median time of a change of flags.
    public let flagsMicroseconds: Double
    /// The median time of a delete.
    public let deleteMicroseconds: Double
    /// The growth of VmallocUsed and Slab for each slot. Nil if the rest of the host was too busy to tell.
    public let kernelBytes: Int?

    private static let count = 64

    static func measured() throws(MachineError) -> SlotCosts {
        let code: [UInt8] = [0xf4]  // hlt; it never runs
        let machine = try GuestMachine(
            MachineConfiguration(mode: .real, spareMemory: UInt64(count) * Page.size), flat: code)
        let mappings = try (0..<count).map { page throws(MachineError) in
            Mapping(range: range(page, row: 0), backing: try machine.allocate(Page.size), owner: .other(page))
        }
        let before = try KernelBytes.used(["VmallocUsed", "Slab"])
        let create = try median { page throws(MachineError) in try machine.changeMemory(adding: [mappings[page]]) }
        let after = try KernelBytes.used(["VmallocUsed", "Slab"])
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

    /// Returns the range of a slot in one of two rows. In a row the slots lie on every other page, so that no two touch. Rows
    /// lie 16 MiB apart.
    private static func range(_ page: Int, row: UInt64) -> GuestRange {
        .page(at: AddressMap.standard.apertures.low.first.rawValue + row << 24 + UInt64(page) << 13)
    }

    private static func median(_ change: (Int) throws(MachineError) -> Void) throws(MachineError) -> Double {
        let times = try (0..<count).map { page throws(MachineError) in
            try measure { () throws(MachineError) in try change(page) }
        }
        return times.microseconds.sorted()[count / 2]
    }
}

/// The kernel memory that slots take, in bytes.
public struct KernelBytes: Codable, Sendable {
    /// The prediction for the MMU that this host's KVM uses.
    public let predicted: UInt64
    /// The growth of VmallocUsed, to which the rest of the host contributes.
    public let measured: UInt64

    init(predicted: UInt64, since before: UInt64) throws(MachineError) {
        let now = try Self.used()
        self.predicted = predicted
        measured = now - min(before, now)
    }

    /// Returns the sum of figures of the whole host's kernel memory, by their names in `/proc/meminfo`.
    static func used(_ names: [String] = ["VmallocUsed"]) throws(MachineError) -> UInt64 {
        let figures = try host(try KernelFigures.ofHost())
        return names.reduce(0) { $0 + (figures.bytes($1) ?? 0) }
    }
}
