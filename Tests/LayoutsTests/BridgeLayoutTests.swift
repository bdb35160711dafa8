import Board
import Devices
import Foundation
import LayoutFixtures
import Memslots
import PCI
import Testing

@testable import Layouts

/// A switch behind a root port, with a function behind each of its ports, and a function in another segment.
private let file = """
    {"name": "switch",
     "bridges": [
       {"at": "00:01.0", "secondary": 1, "subordinate": 6}, {"at": "01:00.0", "secondary": 2, "subordinate": 6},
       {"at": "02:00.0", "secondary": 3}, {"at": "02:01.0", "secondary": 4, "subordinate": 6,
        "reserve": {"memory": "4M", "prefetchable": "1G"}}],
     "functions": [
       {"at": "03:00.0", "bars": [{"bar": 0, "kind": "memory64", "size": "1G", "prefetchable": true}]},
       {"at": "04:00.0", "bars": [{"bar": 0, "kind": "memory32", "size": "64K"}]},
       {"at": "0001:00:01.0", "bars": [{"bar": 0, "kind": "memory32", "size": "4K"}]}]}
    """

@Suite("Bridges and segments of layouts")
struct BridgeLayoutTests {
    private func layout(_ json: String) throws -> Layout {
        try JSONDecoder().decode(LayoutFile.self, from: Data(json.utf8)).layout
    }

    private func place(_ text: String) throws -> DumpSelection.Place {
        try #require(DumpSelection.Place(text: text))
    }

    // MARK: Files

    @Test("a file has ports, each of the kind that its place makes it, and the buses behind them")
    func ports() throws {
        let layout = try layout(file)
        let bridges = layout.functions.filter { $0.description.bridge != nil }
        #expect(
            bridges.map { "\($0.address) \($0.name)" } == [
                "00:01.0 root port", "01:00.0 upstream port of a switch", "02:00.0 downstream port of a switch",
                "02:01.0 downstream port of a switch",
            ])
        #expect(bridges.map { $0.description.bridge?.subordinate } == [6, 6, 3, 6])
        // The kind of port is in the upper half of the capability's first register (PCIe, 7.5.3.2).
        let kinds = try bridges.map { bridge in
            var function = try PCIFunction(bridge.description, at: bridge.address)
            return function.read(at: 0x42, width: .byte) >> 4
        }
        #expect(kinds == [4, 5, 6, 6])
        #expect(layout.choices.segments == 2 && layout.functions.last?.address.segment == 1)
        let plan = try Plan(layout)
        #expect(plan.fits && plan.windows.need[0] < plan.windows.behindPorts[0])
        // The reserve is a multiple of 1 GiB, behind the BAR.
        #expect(plan.windows.need[1] == 2 << 30 && plan.windows.flat[1] == 1 << 30)
    }

    @Test("a root port or a downstream port has a slot if the file says so")
    func slots() throws {
        let old = #""secondary": 3}"#
        #expect(file.contains(old))
        let layout = try layout(file.replacing(old, with: #""secondary": 3, "hotPlug": true}"#))
        for function in layout.functions where function.description.bridge != nil {
            let (bridge, hasSlot) = (function.description.bridge, function.name.hasPrefix("downstream"))
            var port = try PCIFunction(function.description, at: function.address)
            #expect(bridge?.hasSlot == (hasSlot && bridge?.secondary == 3))
            #expect(port.read(at: 0x54, width: .doubleword) == (bridge?.hasSlot == true ? 3 << 19 | 0x7b : 0))
            #expect((function.description.msiVectors != nil) == bridge?.hasSlot)
        }
        #expect(try Plan(layout).fits)
    }

    @Test(
        "what no bridge can be is refused",
        arguments: [
            (#""subordinate": 6}, {"at": "01"#, #""subordinate": 1}, {"at": "01"#),
            (#""secondary": 1"#, #""secondary": 0"#), (#""secondary": 1"#, #""secondary": 256"#),
            (#""secondary": 1"#, #""bus": 1"#),
            (#""secondary": 3"#, #""secondary": 4"#),
            (#""secondary": 2, "subordinate": 6"#, #""secondary": 2, "subordinate": 3"#),
            (#""secondary": 3}"#, #""secondary": 3}, {"at": "02:00.0", "secondary": 9}"#),
            (#""at": "02:00.0""#, #""at": "00:02""#), (#""at": "02:00.0""#, #""at": "0100:02:00.0""#),
            (#""secondary": 1"#, #""secondary": 1, "reserve": {"rom": 1}"#), (#""secondary": 1"#, #""vendor": 1"#),
            // The upstream port of a switch has no slot, and a slot takes function 0 of device 0.
            (#""at": "01:00.0","#, #""at": "01:00.0", "hotPlug": true,"#),
            (#""secondary": 3}"#, #""secondary": 3, "hotPlug": true}, {"at": "03:01.0", "secondary": 9}"#),
            (#""secondary": 3}"#, #""secondary": 3, "hotPlug": 1}"#),
        ])
    func wrong(old: String, new: String) throws {
        #expect(file.contains(old))
        let text = file.replacing(old, with: new, maxReplacements: 1)
        #expect(throws: (any Error).self) { try Plan(try layout(text)) }
    }

    @Test("flat, bridges are left out; chosen functions keep the bridges that lead to them")
    func selection() throws {
        let layout = try layout(file)
        let flat = try layout.selecting(.flat)
        #expect(flat.functions.count == 3 && flat.bridges == 4)
        #expect(flat.functions.allSatisfy { $0.address.segment == 0 })
        var selection = DumpSelection()
        selection.only = [try #require(DomainAddress(text: "04:00.0"))]
        let some = try layout.selecting(selection)
        #expect(some.functions.map { "\($0.address)" } == ["00:01.0", "01:00.0", "02:01.0", "04:00.0"])
        #expect(try Plan(some).fits)
    }

    // MARK: Dumps

    @Test("a dump's bridges lead where they did, with their own BARs; wrong buses are told of and left out")
    func dump() throws {
        let text =
            LspciText.gpu("01:00.0", memory: "64G") + LspciText.network("21:00.0") + LspciText.bridge("00:01.0")
        let (wrong, warnings) = try read(text + LspciText.bridge("00:02.0"))
        #expect(wrong.functions.map { "\($0.address)" } == ["01:00.0", "21:00.0"] && wrong.bridges == 2)
        #expect(warnings.map(\.reason.text).contains { $0.contains("00:02.0") && $0.contains("left out") })
        let layout = try read(text).layout
        #expect(layout.functions.map { "\($0.address)" } == ["00:01.0", "01:00.0", "21:00.0"])
        #expect(layout.functions[0].description.bars[0]?.size == 4096 && layout.bridges == 0)
        let plan = try Plan(layout)
        // 4 KiB, 16 MiB and 512 KiB; 64 GiB and 32 MiB.
        let registers = try #require(plan.functions.first).registers
        #expect(registers.map(\.register) == ["BAR 0", "I/O window", "memory window", "prefetchable window"])
        let sizes: [UInt64] = [4096, 4096, 17 << 20, 64 << 30 + 32 << 20]
        #expect(registers.map(\.size) == sizes)
    }

    @Test("domains become segments, as far as their configuration space has room")
    func domains() throws {
        let text = ["0000", "0002", "10000", "10001"].map { LspciText.disks("\($0):03:00.0") }.joined()
        let layout = try read(text).layout
        #expect(
            layout.functions.map { "\($0.address) \($0.source)" } == [
                "00:00.0 10001:03:00.0", "03:00.0 03:00.0", "0001:03:00.0 0002:03:00.0", "0002:03:00.0 10000:03:00.0",
            ])
        #expect(try Plan(layout).fits && layout.choices.segments == 3)
    }

    @Test("a BAR gets another size that it can have, and an address that it had")
    func resizedAndFixed() throws {
        var selection = DumpSelection()
        selection.resized = [try place("01:00.0/1"): 1 << 30]
        selection.fixed = [try place("01:00.0/3"): 0x20_0000_0000]
        let layout = try read(LspciText.gpu("01:00.0"), selection).layout
        #expect(layout.functions[0].resizable == [0: [16 << 20]])
        #expect(layout.functions[0].description.bars[1]?.size == 1 << 30)
        let plan = try Plan(layout)
        #expect(plan.functions[0].registers.first { $0.register == "BAR 3" }?.address == "0x2000000000")
        for (name, size) in [("0", 32 << 20), ("5", 256), ("2", 1 << 20), ("rom", 1 << 20), ("1", 3 << 20)]
            as [(String, UInt64)]
        {
            selection.resized = [try place("01:00.0/\(name)"): size]
            #expect(throws: LayoutError.self) { try read(LspciText.gpu("01:00.0"), selection) }
        }
        selection.resized = [:]
        for wrong: UInt64 in [0x20_0000_1000, 0, 0xd000_0000, .max] {
            selection.fixed = [try place("01:00.0/3"): wrong]
            let plan = try Plan(try read(LspciText.gpu("01:00.0"), selection).layout)
            #expect(plan.obstacleText?.contains("cannot be at") == true && !plan.fits, "\(wrong)")
        }
    }

    @Test("a BAR keeps what lies in it")
    func resizedBelowTable() throws {
        var selection = DumpSelection()
        selection.resized = [try place("21:00.0/0"): 4096]
        let error = #expect(throws: LayoutError.self) { try read(LspciText.network("21:00.0"), selection) }
        #expect(error.map { "\($0)".contains("MSI-X") || "\($0)".contains("0x1000") } == true)
    }

    // MARK: What firmware has to find

    /// Eight GPUs with 512 GiB, 64 MiB and 32 MiB of prefetchable memory each.
    private func eight(_ memory: String = "512G") -> String {
        (1...8).map { number in
            """
            0\(number):00.0 3D controller: Example
            \tControl: I/O- Mem+ BusMaster+
            \tStatus: Cap-
            \tRegion 0: Memory at 228000000000 (64-bit, prefetchable) [size=64M]
            \tRegion 2: Memory at 220000000000 (64-bit, prefetchable) [size=\(memory)]
            \tRegion 4: Memory at 228044000000 (64-bit, prefetchable) [size=32M]


            """
        }.joined()
    }

    @Test("eight GPUs of 512 GiB need 4 TiB flat and 7.5 TiB behind root ports, and a quarter of 43 bits is 2 TiB")
    func eightGPUs() throws {
        var host = PlanningHost()
        host.physicalAddressBits = 43
        let windows = try Plan(try read(eight()).layout, host: host).windows
        let (large, small): (UInt64, UInt64) = (512 << 30, 64 << 20 + 32 << 20)
        // The large BARs are neighbours, and the small ones follow.
        #expect(windows.flat == windows.need)
        #expect(windows.flat[1] == 8 * large + 8 * small)
        // A window begins at a multiple of 512 GiB: seven of them take 1 TiB each, of which nearly half lies idle.
        #expect(windows.behindPorts[1] == 7 * 2 * large + large + small)
        let shares = windows.shares.filter { $0.addressBits == 43 }
        #expect(shares.map(\.bytes) == [1 << 40, 2 << 40] && shares.map(\.holds) == [false, false])
        #expect(windows.shares.filter { $0.addressBits == 46 }.map(\.holds) == [true, true])
        #expect(windows.shares.filter { $0.addressBits == 39 }.map(\.bytes) == [64 << 30, 128 << 30])
    }

    @Test("the first change that helps is told")
    func remedies() throws {
        var host = PlanningHost()
        host.physicalAddressBits = 43
        let large = try read(eight()).layout
        #expect(try Plan(large, host: host).remedy == nil)
        let low = try #require(GuestRange(first: GuestAddress(1 << 40), size: 1 << 42))
        let remedy = try Plan(large, host: host, choices: .init(highAperture: low)).remedy
        #expect(remedy == "a 64-bit aperture of 0x100000000-0x7ffffffffff")
        host.physicalAddressBits = 42
        #expect(try Plan(large, host: host).remedy == "43 address bits")
        // Nothing but smaller BARs helps below 4 GiB.
        let resizable = """
            01:00.0 VGA compatible controller: Example
            \tControl: I/O- Mem+ BusMaster+
            \tStatus: Cap+
            \tRegion 0: Memory at 80000000 (32-bit, non-prefetchable) [size=1G]
            \tCapabilities: [bb0 v1] Physical Resizable BAR
            \t\tBAR 0: current size: 1GB, supported: 256MB 512MB 1GB
            \tCapabilities: [bc0 v1] Virtual Resizable BAR
            \t\tBAR 0: current size: 1GB, supported: 1MB
            \tKernel driver in use: example


            """
        #expect(try Plan(try read(resizable).layout).remedy == "the least sizes of the BARs that can be resized")
        // Virtual functions of 128 MiB each below 4 GiB, of which there is room for five beside the BAR.
        var selection = DumpSelection()
        selection.virtualFunctions = 8
        selection.sizes = [try place("21:00.0/vf0"): 128 << 20]
        let card = LspciText.network("21:00.0").replacing(
            "Region 0: Memory at 00000500ae000000 (64-bit, prefetchable)",
            with: "Region 0: Memory at a0000000 (32-bit, non-prefetchable)"
        ).replacing("00000500ae000000", with: "0000050000000000")
        #expect(
            try Plan(try read(card, selection).layout).remedy == "no more than 5 virtual functions of each function")
        selection.virtualFunctions = nil
        #expect(
            try Plan(try read(card, selection).layout).remedy == "no more than 5 virtual functions of each function")
    }

    @Test("room for virtual functions that are off counts")
    func virtualFunctions() throws {
        var selection = DumpSelection()
        selection.sizes = [try place("21:00.0/vf0"): 1 << 20]
        let layout = try read(LspciText.network("21:00.0"), selection).layout
        #expect(layout.functions[0].description.virtualCount == 16)
        #expect(try Plan(layout).windows.flat[1] == 48 << 20)
        selection.virtualFunctions = 4
        let some = try read(LspciText.network("21:00.0"), selection).layout
        #expect(some.functions[0].description.virtualCount == 0 && some.functions.count == 5)
        #expect(try Plan(some).windows.flat[1] == 36 << 20)
    }

    @Test("the server has eight GPUs behind four switches, each thing where a guest finds it")
    func server() throws {
        let layout = try #require(Layout.preset("server-8-gpus"))
        #expect(layout.functions.count { $0.description.classCode == 0x030200 } == 8)
        #expect(layout.functions.count { $0.description.bridge != nil } == 29 && layout.functions.count == 50)
        let plan = try Plan(layout)
        #expect(plan.fits && plan.windows.need[1] > plan.windows.flat[1])
    }
}
