import Floor
import FoundationEssentials
import Machine
import Memslots

extension Bench {
    /// Measures the kernel's memory for slots: the prediction of `Footprint`, and the growth in /proc/meminfo.
    mutating func footprint() throws {
        results.begin(name, "kernel memory for slots: predicted, and measured as the growth of VmallocUsed and Slab")
        for (count, rounds) in [(1, rounds(15)), (32, rounds(15)), (2048, rounds(7)), (32763, 3)] {
            let pages = ScatteredPages(count: count, backing: GuestMachine.spareBacking)
            try footprint("\(count) one-page slots", pages.mappings, rounds: rounds)
        }
        let size: UInt64 = 64 << 30
        let huge = Mapping(
            range: ScatteredPages.range(4 << 30, size: size), backing: GuestMachine.spareBacking, owner: .other(0))
        try footprint("one slot of 64 GiB", [huge], rounds: rounds(7))
    }

    private mutating func footprint(_ what: String, _ mappings: [Mapping], rounds: Int) throws {
        let size = mappings.map(\.range.size).reduce(0, +)
        let machine = try GuestMachine.forBenchmark(spareMemory: size).machine
        let ram = Footprint.kernelBytes(of: machine.slots, mmu: .shadow)
        var predicted = 0.0
        var vmalloc: [Double] = []
        var slab: [Double] = []
        for _ in 0..<rounds {
            let before = try HostMemory()
            try machine.changeMemory(adding: mappings)
            let after = try HostMemory()
            predicted = Double(Footprint.kernelBytes(of: machine.slots, mmu: .shadow) - ram)
            try machine.changeMemory(removing: mappings.map(\.range))
            vmalloc.append(after.vmallocUsed - before.vmallocUsed)
            slab.append(after.slab - before.slab)
        }
        let measured = Quartiles(vmalloc).median
        results.add(
            Figure(
                name, what,
                [
                    "predicted KiB": predicted / 1024, "VmallocUsed KiB": measured / 1024,
                    "error %": (predicted / measured - 1) * 100, "Slab KiB": Quartiles(slab).median / 1024,
                    "Slab bytes a slot": Quartiles(slab).median / Double(mappings.count),
                ]))
    }

    /// Measures the table in user space: the bytes for each slot at several fills, with spare capacity.
    mutating func memory() throws {
        results.begin(name, "MemslotTable.byteSize a slot, at most 64 wanted above 64 slots")
        for count in [65, 129, 1000, 2048, 2049, 32764] {
            var values: [Double] = []
            for order in ScatteredPages.Order.allCases {
                let slots = ScatteredPages(count: count, order: order, firstID: 0).slots
                values.append(Double(try MemslotTable(holding: slots).byteSize) / Double(count))
            }
            // The table is filled to the limit, and emptied again from the highest id down.
            let slots = ScatteredPages(count: 32764, order: .random, firstID: 0).slots
            var table = try MemslotTable(holding: slots)
            for slot in slots[count...].reversed() {
                table.apply(try table.change(for: try table.request(for: .delete(SlotID(slot.id)))))
            }
            precondition(table.count == count)
            results.add(
                Figure(
                    name, "\(count) slots, bytes a slot",
                    [
                        "by address": values[0], "random": values[1],
                        "emptied from 32764": Double(table.byteSize) / Double(count),
                    ]))
        }
    }
}

/// Figures of /proc/meminfo, in bytes.
struct HostMemory {
    let vmallocUsed: Double
    let slab: Double

    init() throws {
        let text = String(decoding: try Data(contentsOf: URL(filePath: "/proc/meminfo")), as: UTF8.self)
        func bytes(_ name: String) throws -> Double {
            for line in text.split(separator: "\n") where line.hasPrefix(name + ":") {
                let words = line.split(separator: " ")
                if words.count == 3, let kilobytes = Double(words[1]) { return kilobytes * 1024 }
            }
            throw BenchError("/proc/meminfo does not tell \(name)")
        }
        vmallocUsed = try bytes("VmallocUsed")
        slab = try bytes("Slab")
    }
}
