import Foundation
import LayoutFixtures
import PCI
import Testing

@testable import Layouts

@Suite("The kernel's log")
struct KernelLogTests {
    private static let new = """
        [    0.300000] pci 0000:00:01.0: [8086:7abf] type 01 class 0x060400 PCIe Root Port
        [    0.300001] pci 0000:00:01.0: PCI bridge to [bus 01]
        [    0.300002] pci 0000:00:01.0:   bridge window [mem 0xa1000000-0xa1ffffff]
        [    0.310000] pci 0000:01:00.0: [1af4:1041] type 00 class 0x020000 PCIe Endpoint
        [    0.310001] pci 0000:01:00.0: BAR 0 [mem 0x5000000000-0x50000fffff 64bit pref]
        [    0.310002] pci 0000:01:00.0: BAR 2 [mem 0xfe000000-0xfe00ffff]
        [    0.310003] pci 0000:01:00.0: BAR 3 [io  0xc000-0xc01f]
        [    0.310004] pci 0000:01:00.0: ROM [mem 0xfd000000-0xfd07ffff pref]
        [    0.310005] pci 0000:01:00.0: VF BAR 0 [mem 0x5100000000-0x510001ffff 64bit pref]
        [    0.310006] pci 0000:01:00.0: VF BAR 0 [mem 0x5100000000-0x51000dffff 64bit pref]: contains BAR 0 for 7 VFs
        [    0.400000] pci 0000:01:00.0: BAR 0 [mem 0x6000000000-0x60000fffff 64bit pref]: assigned
        [    0.500000] e1000e 0000:01:00.0 eth0: something else

        """

    private static let old = """
        Nov 26 17:00:52 host kernel: pci 0000:00:01.0: [8086:7abf] type 01 class 0x060400
        Nov 26 17:00:52 host kernel: pci 0000:01:00.0: [1af4:1041] type 00 class 0x020000
        Nov 26 17:00:52 host kernel: pci 0000:01:00.0: reg 0x10: [mem 0x5000000000-0x50000fffff 64bit pref]
        Nov 26 17:00:52 host kernel: pci 0000:01:00.0: reg 0x18: [mem 0xfe000000-0xfe00ffff]
        Nov 26 17:00:52 host kernel: pci 0000:01:00.0: reg 0x1c: [io  0xc000-0xc01f]
        Nov 26 17:00:52 host kernel: pci 0000:01:00.0: reg 0x30: [mem 0xfd000000-0xfd07ffff pref]
        Nov 26 17:00:52 host kernel: pci 0000:01:00.0: reg 0x184: [mem 0x5100000000-0x510001ffff 64bit pref]
        Nov 26 17:00:52 host kernel: pci 0000:01:00.0: VF(n) BAR0 space: [mem 0x5100000000-0x51000dffff 64bit pref] (contains BAR0 for 7 VFs)
        Nov 26 17:00:52 host kernel: pci 0000:01:00.0: BAR 7: assigned [mem 0x5100000000-0x51000dffff 64bit pref]
        Nov 26 17:00:52 host kernel: pci 0000:01:00.0: BAR 6: assigned [mem 0xfd000000-0xfd07ffff pref]

        """

    @Test(
        "BARs, ROMs and virtual functions have their sizes, in the words of old kernels and of new ones",
        arguments: [new, old])
    func whole(text: String) throws {
        var selection = DumpSelection()
        selection.virtualFunctions = 3
        let (layout, warnings) = try read(text, selection)
        #expect(layout.bridges == 1 && layout.functions.count == 4)
        let card = layout.functions[0].description
        #expect(card.vendorID == 0x1af4 && card.deviceID == 0x1041 && card.classCode == 0x020000)
        #expect(card.bars[0] == BARDescription(kind: .memory64, size: 1 << 20, isPrefetchable: true))
        #expect(card.bars[2] == BARDescription(kind: .memory32, size: 1 << 16))
        #expect(card.bars[3] == BARDescription(kind: .io, size: 32) && card.romSize == 512 << 10)
        #expect(
            layout.functions[1].description.bars == [
                0: BARDescription(kind: .memory64, size: 128 << 10, isPrefetchable: true)
            ])
        #expect(warnings.allSatisfy { !$0.isSkipped } && warnings.contains { $0.reason.text.contains("MSI-X") })
    }

    @Test("a BAR without an address has a size, the last size counts, and what lacks its discovery is skipped")
    func parts() throws {
        let text = """
            pci 0001:05:00.0: [1af4:0001] type 00 class 0x030000
            pci 0001:05:00.0: BAR 0 [mem size 0x10000000 64bit pref]
            pci 0001:05:00.0: BAR 0: assigned [mem 0x4000000000-0x41ffffffff 64bit pref]
            pci 0001:05:00.0: BAR 13: no space for [io  size 0x1000]
            vfio-pci 0001:06:00.0: BAR 1: can't reserve [mem 0xe0000000-0xefffffff 64bit pref]
            pci 0001:07:00.0: BAR 0 [mem 0xffffffff-0x0]

            """
        let (layout, warnings) = try read(text)
        #expect(layout.functions.map { "\($0.source)" } == ["0001:05:00.0"])
        #expect(layout.functions[0].description.bars[0]?.size == 8 << 30)
        #expect(warnings.filter(\.isSkipped).compactMap { $0.function.map { "\($0)" } }.contains("0001:06:00.0"))
    }

    @Test("what a mail program has wrapped is one line again; what is cut or left out costs the function, not a BAR")
    func damaged() throws {
        let wrapped = Self.new.replacingOccurrences(of: " 64bit pref]", with: "\n64bit pref]")
        #expect(try read(wrapped).layout == read(Self.new).layout)
        let lines = Self.new.split(separator: "\n").map(String.init)
        let cuts = [
            lines.enumerated().map { $0 == 5 ? String($1.prefix(50)) : $1 },
            Array(lines[..<5]) + ["** 14 printk messages dropped **"] + Array(lines[6...]),
            Array(lines[..<5]) + ["[...]"] + Array(lines[6...]),
            Array(lines[..<3]) + Array(lines[4...]),
        ]
        for text in cuts {
            let whole = text.joined(separator: "\n") + "\n" + "pci 0000:02:00.0: [1af4:0001] type 00 class 0x0c0500\n"
            let (layout, warnings) = try read(whole)
            #expect(layout.functions.map { "\($0.source)" } == ["02:00.0"], "\(text)")
            #expect(warnings.contains { $0.isSkipped && $0.function.map { "\($0)" } == "01:00.0" })
        }
    }

    @Test("a log without any line about BARs tells of no function that it has none")
    func withoutBARs() throws {
        let lines = Self.new.split(separator: "\n").filter { $0.contains(" class 0x") }.map { $0 + "\n" }
        #expect(throws: LayoutError.self) { try read(lines.joined()) }
        let quiet = "pci 0000:02:00.0: [1af4:0001] type 00 class 0x0c0500\n"
        let layout = try read(Self.new + quiet).layout
        #expect(layout.functions.last?.description.bars.isEmpty == true)
    }

    @Test("beside lspci it gives the sizes of virtual functions")
    func besideLspci() throws {
        var selection = DumpSelection()
        selection.virtualFunctions = 2
        let log = "pci 0000:21:00.0: VF BAR 0 [mem 0x0-0xfffff 64bit pref]: contains BAR 0 for 16 VFs\n"
        for text in [LspciText.network("21:00.0") + "\n" + log, log + LspciText.network("21:00.0")] {
            let (layout, _) = try read(text, selection)
            #expect(layout.functions.count == 3 && layout.functions[0].description.msix != nil)
            #expect(layout.functions[1].description.bars[0]?.size == 64 << 10)
        }
    }
}
