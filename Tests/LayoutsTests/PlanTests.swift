import LayoutFixtures
import Memslots
import PCI
import Testing

@testable import Layouts

@Suite("Plans")
struct PlanTests {
    @Test(
        "presets need what the discussion of 2012 counted, on the kernels that came of it",
        arguments: [
            ("one", 1, [true, true, true, true]), ("typical-16", 64, [false, true, true, true]),
            ("typical-32", 128, [false, false, true, true]), ("full-bus", 2048, [false, false, false, true]),
            ("past-the-limit", 32768, [false, false, false, false]), ("hgx-8", 40, [false, true, true, true]),
        ])
    func presets(name: String, slots: Int, kernels: [Bool]) throws {
        let plan = try Plan(try #require(Layout.preset(name)))
        #expect(plan.separate.count == slots && plan.mapped == slots)
        #expect(SlotEra.all.map(plan.fits) == kernels)
        #expect(plan.separate.toggleEdits == 2 * slots)
        #expect(plan.obstacle == nil)
        #expect(plan.fits == (name != "past-the-limit"))
    }

    @Test("a full bus coalesced is 258 slots, and fits 4.0")
    func coalesced() throws {
        let plan = try Plan(try #require(Layout.preset("full-bus")), policy: .coalesced)
        #expect(plan.coalesced.count == 258 && plan.slots.count == 258)
        #expect(plan.fits(SlotEra.of(KernelVersion(4, 19))))
        #expect(plan.memory.rows.count == 2048 && plan.memory.trapped.count == 256)
        #expect(Set(plan.memory.rows.map(\.slot)) == Set(0..<258))
        // 2048 pages, in the kernel's accounting for one-page slots.
        let separate = try Plan(try #require(Layout.preset("full-bus")))
        #expect(separate.separate.kernelBytes == [.shadow: 2048 * 24 << 10, .tdp: 2048 * 8 << 10])
    }

    @Test(
        "a version belongs to the slots that it had",
        arguments: [
            ("2.6.32", 32), ("2.6.39.4", 32), ("3.8", 32), ("3.9", 125), ("3.19.8", 125), ("4.0", 509),
            ("v5.11-rc3", 509),
            ("5.12", 32764),
            ("6.1.0-13-amd64", 32764),
        ])
    func versions(text: String, slots: Int) throws {
        #expect(SlotEra.of(try #require(KernelVersion(text: text))).slots == slots)
    }

    @Test(
        "what is no version is none",
        arguments: ["", "5", "x.y", "5.", "-3.4", "1.2", "99999999999999999999.1", "host"])
    func badVersions(text: String) {
        #expect(KernelVersion(text: text) == nil)
    }

    @Test("the slot tables of 2012 are there")
    func tables() {
        #expect(FixedTable.of2012.map(\.bytes) == [2456, 9000, 7680, 7440])
        #expect(SlotEra.all.map { $0.tableBytes(for: 10) } == [2456, 7440, 29760, 13 * 58 + 8])
    }

    @Test("20,000 full functions are counted, though no machine has room for them")
    func twentyThousand() throws {
        let full = try #require(Layout.preset("full-bus")?.functions.first?.description)
        let plan = try Plan(Layout(name: "many", count: 20000, of: full))
        #expect(plan.separate.count == 160_000)
        // One run of BARs up to each hole, what is behind the last one, and one of ROMs.
        #expect(plan.coalesced.count == 20002)
        #expect(plan.obstacle != nil && !plan.fits)
        let low = try #require(plan.budgets.first { $0.name == "32-bit aperture" })
        // Nine pages of BARs and one of ROM, all naturally aligned.
        #expect(low.need == 20000 * 10 * 4096 && !low.fits)
        #expect(plan.budgets.first { $0.name == "VFIO DMA mappings" }?.fits == false)
        #expect(plan.budgets.first { $0.name == "highest guest address" }?.fits == true)
    }

    @Test("a BAR of 512 MiB has no place below 4 GiB, for it would be aligned")
    func alignment() throws {
        let plan = try Plan(layout(BARDescription(kind: .memory32, size: 512 << 20)))
        let low = try #require(plan.budgets.first { $0.name == "32-bit aperture" })
        #expect(low.need == 768 << 20 && !low.fits && !plan.fits)
        #expect(plan.separate.count == 1)
    }

    @Test("few address bits and large BARs pass the highest address")
    func addressBits() throws {
        let large = layout(BARDescription(kind: .memory64, size: 1 << 39))
        var host = PlanningHost()
        host.physicalAddressBits = 39
        let narrow = try Plan(large, host: host)
        let address = try #require(narrow.budgets.first { $0.unit == .address })
        #expect(!address.fits && address.limit == (1 << 39) - 1 && address.need == (1 << 40) - 1)
        #expect(!narrow.fits)
        #expect(try Plan(large).fits)
    }

    @Test("a BAR of 8 TiB takes two slots, since one has at most 2^31 - 1 pages", arguments: SlotPolicy.allCases)
    func largestSlot(policy: SlotPolicy) throws {
        let plan = try Plan(layout(BARDescription(kind: .memory64, size: 1 << 43)), policy: policy)
        #expect(plan.slots.count == 2 && plan.fits)
        #expect(plan.slots.planned.slots.allSatisfy { $0.range.pages <= SlotLimits.maximumPages })
        #expect(try Plan(layout(BARDescription(kind: .memory64, size: 1 << 42))).slots.count == 1)
    }

    @Test("a BAR of 16 TiB has no place for its alignment, and the obstacle says so")
    func alignedAperture() throws {
        let plan = try Plan(layout(BARDescription(kind: .memory64, size: 1 << 44)))
        #expect(!plan.fits && plan.obstacleText?.contains("multiple of 16T") == true)
        #expect(plan.functions[0].registers[0].address == nil)
    }

    @Test("what AMD's IOMMU keeps for itself is avoided, or told of", arguments: PlanningHost.IOMMU.allCases)
    func reservedRanges(iommu: PlanningHost.IOMMU) throws {
        var host = PlanningHost()
        host.iommu = iommu
        // By hand: the second BAR of 512 GiB lies at 512 GiB, and ends beyond 0xfd00000000.
        let plan = try Plan(layout(BARDescription(kind: .memory64, size: 1 << 39)), host: host)
        let base = try #require(plan.functions[0].registers[0].address)
        #expect(base == (iommu == .amd ? "0x10000000000" : "0x8000000000"))
        #expect(plan.fits)
        let expected: [PlanningHost.IOMMU: Bool] = [.none: false, .amd: true]
        #expect(plan.budgets.first { $0.name == Plan.addressesOfAMD }?.fits == expected[iommu])
        // RAM cannot go around them.
        #expect(
            try Plan(layout(BARDescription(kind: .memory64, size: 4096)), memory: 1 << 40, host: host).fits
                == (iommu != .amd))
    }

    @Test("pinned bytes and kernel memory are budgets where the host has limits")
    func hostMemory() throws {
        let large = layout(BARDescription(kind: .memory64, size: 1 << 30))
        #expect(
            !(try Plan(large).budgets.contains { $0.name.hasPrefix("pinned") || $0.name.hasPrefix("kernel memory") }))
        var host = PlanningHost()
        host.lockedMemory = 2 << 30
        host.controlGroupMemory = 4096
        let plan = try Plan(large, memory: 1 << 30, host: host)
        let pinned = try #require(plan.budgets.first { $0.name == "pinned memory" })
        #expect(pinned.need == 2 << 30 && pinned.fits && pinned.condition != nil)
        // 512 entries of 4 bytes for large pages, and one for huge ones: a page each.
        let kernel = try #require(plan.budgets.first { $0.name == "kernel memory in the cgroup" })
        #expect(kernel.need == 8192 && !kernel.fits && !plan.fits)
    }

    @Test("on a host with pages of 64 KiB smaller BARs are trapped whole, and whole pages around MSI-X")
    func hostPages() throws {
        var host = PlanningHost()
        host.pageSize = 64 << 10
        let card = try Layout.read(TextDumpReader.read(Array(LspciText.network("21:00.0").utf8)), name: "x").layout
        let plan = try Plan(card, host: host)
        // BAR 0 of 32 MiB without its first page, and the ROM.
        #expect(plan.mapped == 2 && plan.trapped == 1 && plan.slots.kernelBytes.isEmpty)
        let small = try Plan(layout(BARDescription(kind: .memory32, size: 32 << 10)), host: host)
        #expect(small.mapped == 0 && small.trapped == 1)
    }

    @Test("a span and a sum are told apart, and so is what root ports make of them")
    func spans() throws {
        let bars = [0: (64, 20), 2: (512, 30), 4: (32, 20)].mapValues {
            BARDescription(kind: .memory64, size: UInt64($0.0) << UInt64($0.1), isPrefetchable: true)
        }
        let plan = try Plan(
            Layout(name: "x", count: 8, of: FunctionDescription(vendorID: 1, deviceID: 1, bars: bars), step: 8))
        let high = try #require(plan.budgets.first { $0.name == "64-bit aperture" })
        #expect(high.sum == 8 * (512 << 30 + 96 << 20))
        // From 4 GiB on, the first BAR at 512 GiB.
        #expect(high.need == 9 * 512 << 30 - 4 << 30)
        #expect(plan.windows.flat[1] == 8 * (512 << 30 + 96 << 20))
        // Each window begins at a multiple of 512 GiB, and only the last one's rest counts.
        #expect(plan.windows.behindPorts[1] == 7 << 40 + 512 << 30 + 96 << 20)
    }

    @Test("the largest BARs there can be have no end to their plan")
    func overflow() throws {
        let bars = Dictionary(
            uniqueKeysWithValues: [0, 2, 4].map { ($0, BARDescription(kind: .memory64, size: 1 << 52)) })
        let description = FunctionDescription(vendorID: 1, deviceID: 1, bars: bars)
        let some = try Plan(Layout(name: "large", count: 10, of: description))
        // 4 TiB a slot.
        #expect(some.separate.count == 30 << 10 && !some.fits)
        #expect(throws: PlanError.self) { try Plan(Layout(name: "larger", count: 20000, of: description)) }
    }

    @Test("advice tells which BARs share pages with MSI-X, once for all that are alike")
    func advice() throws {
        let layout = try Layout.read(
            TextDumpReader.read(Array(LspciText.workstation().utf8)), name: "x"
        ).layout
        let advice = try Plan(layout).advice
        #expect(advice.count == 1)
        #expect(advice[0].functions.map { "\($0)" } == ["21:00.0", "81:00.0"])
        // Two pages, less 64 entries of 16 bytes and a word of 64 bits.
        #expect(advice[0].bar.sharedBytes == 8192 - 1024 - 8)
        #expect(advice[0].bar.savedSlots == 1)
    }

    @Test("functions are chosen by the addresses that they had; a lone function becomes one that software finds")
    func selection() throws {
        let layout = try #require(Layout.preset("full-bus"))
        var selection = DumpSelection()
        selection.only = ["00:03.2", "00:03.5", "00:04.0"].compactMap { DomainAddress(text: $0) }
        let some = try layout.selecting(selection)
        #expect(
            some.functions.map { "\($0.source) \($0.address)" } == [
                "00:03.2 00:03.0", "00:03.5 00:03.5", "00:04.0 00:04.0",
            ])
        selection.only = []
        selection.excluded = [try #require(DomainAddress(text: "00:00.0"))]
        #expect(try layout.selecting(selection).functions.count == 255)
        selection.excluded = [try #require(DomainAddress(text: "0001:00:00.0"))]
        let error = #expect(throws: LayoutError.self) { _ = try layout.selecting(selection) }
        #expect(error.map { "\($0)".contains("0001:00:00.0") } == true)
    }

    private func layout(_ bar: BARDescription) -> Layout {
        Layout(name: "x", count: 1, of: FunctionDescription(vendorID: 1, deviceID: 1, bars: [0: bar]))
    }
}
