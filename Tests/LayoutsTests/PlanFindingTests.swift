import Board
import Devices
import Foundation
import LayoutFixtures
import Memslots
import PCI
import PropertySupport
import Testing

@testable import Layouts

@Suite("What a plan finds, and what it does not know")
struct PlanFindingTests {
    private func layout(_ json: String) throws -> Layout {
        try JSONDecoder().decode(LayoutFile.self, from: Data(json.utf8)).layout
    }

    private func place(_ text: String) throws -> DumpSelection.Place {
        try #require(DumpSelection.Place(text: text))
    }

    private func texts(_ warnings: [DumpWarning]) -> [String] { warnings.map(\.reason.text) }

    // MARK: Ports

    @Test("windows for ports and their reserves count, whether they find room or not", arguments: 1...6)
    func portWindows(count: Int) throws {
        func plan(_ reserve: String, _ hasBAR: Bool) throws -> Plan {
            let bridges = (1...count).map { #"{"at": "00:0\#($0).0", "secondary": \#($0)\#(reserve)}"# }
            let bars = hasBAR ? #""bars": [{"bar": 0, "kind": "io", "size": 128}]"# : #""bars": []"#
            let functions = (1...count).map { #"{"at": "0\#($0):00.0", \#(bars)}"# }
            return try Plan(
                try layout(
                    #"{"name": "x", "bridges": [\#(bridges.joined(separator: ","))], "functions": [\#(functions.joined(separator: ","))]}"#
                ))
        }
        for (reserve, hasBAR) in [("", true), (#", "reserve": {"ports": 100}"#, false)] {
            let plan = try plan(reserve, hasBAR)
            let ports = try #require(plan.budgets.first { $0.name == "I/O ports" })
            #expect(ports.need == UInt64(count) * 4096 && ports.limit == 16384)
            #expect(plan.fits == (count <= 4))
        }
    }

    // MARK: What helps

    /// Plans with what a remedy names. Returns nil if that is not in words of apertures, buses and address bits.
    private func plan(_ layout: Layout, following remedy: String, _ choices: AddressMap.Choices, bits: Int) throws
        -> Plan?
    {
        var (choices, host) = (choices, PlanningHost())
        host.physicalAddressBits = bits
        for part in remedy.components(separatedBy: ", and ") {
            let range = part.split(separator: " ").last.map {
                $0.split(separator: "-").compactMap { UInt64(quantity: String($0)) }
            }
            if part.hasSuffix("address bits"), let bits = Int(part.prefix { $0 != " " }) {
                host.physicalAddressBits = bits
            } else if part.hasPrefix("no more than"),
                let buses = part.split(separator: " ").compactMap({ Int($0) }).first
            {
                choices.buses = buses
            } else if let range, range.count == 2 {
                let range = try #require(GuestRange(first: GuestAddress(range[0]), last: GuestAddress(range[1])))
                if part.hasPrefix("a 32-bit") { choices.lowAperture = range } else { choices.highAperture = range }
            } else {
                return nil
            }
        }
        return try Plan(layout, host: host, choices: choices)
    }

    @Test("what helps makes it fit, and no part of it is superfluous", arguments: propertySeeds)
    func remediesHelp(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var found = 0
        for _ in 0..<150 {
            let functions = (0..<Int.random(in: 1...6, using: &random)).map { number -> String in
                let (low, high) = (Int.random(in: 20...29, using: &random), Int.random(in: 24...42, using: &random))
                return """
                    {"at": "0\(number):00.0", "bars": [{"bar": 0, "kind": "memory32", "size": \(1 << low)},
                     {"bar": 2, "kind": "memory64", "prefetchable": true, "size": \(1 << high)}]}
                    """
            }
            let layout = try layout(#"{"name": "x", "functions": [\#(functions.joined(separator: ","))]}"#)
            var choices = AddressMap.Choices()
            if Bool.random(using: &random) {
                choices.lowAperture = GuestRange(
                    first: GuestAddress(0xd000_0000), size: 1 << UInt64.random(in: 20...29, using: &random))
            }
            if Bool.random(using: &random) {
                choices.highAperture = GuestRange(
                    first: GuestAddress(1 << 33), size: 1 << UInt64.random(in: 28...35, using: &random))
            }
            let bits = Int.random(in: 38...46, using: &random)
            var host = PlanningHost()
            host.physicalAddressBits = bits
            let plan = try Plan(layout, host: host, choices: choices)
            guard let remedy = plan.remedy else { continue }
            let followed = try #require(try self.plan(layout, following: remedy, choices, bits: bits))
            #expect(followed.obstacle == nil, "seed \(seed): \(remedy)")
            let parts = remedy.components(separatedBy: ", and ")
            for part in parts where parts.count > 1 {
                let others = parts.filter { $0 != part }.joined(separator: ", and ")
                // An aperture may need the address bits.
                guard let less = try? self.plan(layout, following: others, choices, bits: bits) else { continue }
                #expect(less.obstacle != nil, "seed \(seed): \(part) of \(remedy)")
            }
            found += 1
        }
        #expect(found > 20, "seed \(seed): \(found)")
    }

    @Test("a chosen aperture is the reason where it is one")
    func chosenApertures() throws {
        let layout = try layout(
            #"{"name": "x", "functions": [{"at": "00:01.0", "bars": [{"bar": 0, "kind": "memory32", "size": "64M"}]}]}"#
        )
        let low = GuestRange(first: GuestAddress(0xd000_0000), size: 1 << 20)
        let plan = try Plan(layout, choices: .init(lowAperture: low))
        #expect(plan.remedy == "a 32-bit aperture of 0xd0000000-0xfebfffff")
        // There is room for five beside the configuration space of 256 buses.
        let many = try self.layout(
            #"{"name": "x", "functions": [{"at": "00:01.0", "repeat": 6, "bars": [{"bar": 0, "kind": "memory32", "size": "128M"}]}]}"#
        )
        #expect(try Plan(many).remedy == "no more than 1 bus")
    }

    // MARK: Not known is not nothing

    @Test("virtual functions without sizes make a plan unsure, with the places that lack sizes")
    func virtualSizes() throws {
        let text = LspciText.network("21:00.0")
        let off = try readAll(text)
        #expect(off.layout.functions[0].description.virtualCount == 0)
        #expect(off.warnings.map(\.reason.isUnsure) == [true] && off.warnings.map(\.isSkipped) == [false])
        var selection = DumpSelection()
        selection.virtualFunctions = 2
        let on = try readAll(text, selection)
        #expect(on.warnings.map(\.isSkipped) == [true] && on.layout.functions.count == 1)
        for warnings in [off.warnings, on.warnings] {
            #expect(warnings[0].reason.unsized == [try place("21:00.0/vf0")])
        }
        selection.virtualFunctions = 0
        #expect(try readAll(text, selection).warnings.isEmpty)
        selection.virtualFunctions = nil
        selection.sizes = [try place("21:00.0/vf0"): 1 << 20]
        #expect(try readAll(text, selection).warnings.isEmpty)
        selection.sizes = [:]
        selection.absent = [try place("21:00.0/vf0")]
        #expect(try readAll(text, selection).warnings.isEmpty)
        let zero = text.replacing(
            "Region 0: Memory at 00000500ae000000 (64-bit, prefetchable)", with: "System Page Size: 00000001")
        #expect(texts(try readAll(zero).warnings).contains { $0.hasSuffix("does not tell their BARs") })
    }

    @Test("sizes that the dump tells or that its addresses forbid are refused")
    func sizes() throws {
        let text = LspciText.gpu("01:00.0", memory: "64G") + LspciText.network("21:00.0")
        for (name, size, words) in [
            ("01:00.0/1", 32 << 30, "the dump tells its size, 64G"),
            ("01:00.0/0", 32 << 20, "the dump tells its size"),
            ("21:00.0/rom", 1 << 19, "the dump tells its size"), ("21:00.0/vf0", 64 << 20, "from 16 bytes to 32M"),
            ("21:00.0/vf0", 3 << 20, "power of two"),
        ] as [(String, UInt64, String)] {
            var selection = DumpSelection()
            selection.sizes = [try place(name): size]
            let error = #expect(throws: LayoutError.self) { try read(text, selection) }
            #expect(
                error.map { "\($0)".contains(words) && "\($0)".contains(name) } == true,
                "\(error.map { "\($0)" } ?? "")")
        }
        var same = DumpSelection()
        same.sizes = [try place("01:00.0/1"): 64 << 30, try place("21:00.0/vf0"): 32 << 20]
        #expect(try readAll(text, same).warnings.isEmpty)
    }

    // MARK: Buses

    @Test("buses to which no bridge leads are told of, in files and dumps")
    func strayBuses() throws {
        let bridge = #""bridges": [{"at": "00:01.0", "secondary": 2, "subordinate": 6}]"#
        func warnings(_ at: String) throws -> [String] {
            texts(try layout(#"{"name": "x", \#(bridge), "functions": [{"at": "\#(at)"}]}"#).warnings)
        }
        #expect(try warnings("02:00.0").isEmpty && warnings("00:02.0").isEmpty)
        let roots = "no bridge leads to these buses, which become root buses: "
        #expect(try warnings("01:00.0") == [roots + "01"])
        #expect(
            try warnings("04:00.0").map { $0.hasSuffix("directly behind a bridge above: 04 behind 00:01.0") } == [true])
        // Without bridges in its segment each bus is a root bus.
        #expect(try warnings("0001:04:00.0").isEmpty)
        #expect(try layout(#"{"name": "x", "functions": [{"at": "04:00.0"}]}"#).warnings.isEmpty)
        let text = LspciText.gpu("01:00.0") + LspciText.disks("21:00.0") + LspciText.bridge("00:01.0")
        #expect(texts(try readAll(text).warnings) == [roots + "21"])
        #expect(try readAll(text, .flat).warnings.isEmpty)
    }

    @Test("chosen functions stay behind their bridges, and the first of a device becomes function 0")
    func chosenBehindBridges() throws {
        let text =
            LspciText.disks("01:00.0") + LspciText.disks("01:00.2") + LspciText.disks("01:00.5")
            + LspciText.bridge("00:01.4")
        var selection = DumpSelection()
        selection.only = ["01:00.2", "01:00.5"].compactMap { DomainAddress(text: $0) }
        let (layout, warnings) = try readAll(text, selection)
        #expect(
            layout.functions.map { "\($0.source) \($0.address)" } == [
                "00:01.4 00:01.0", "01:00.2 01:00.0", "01:00.5 01:00.5",
            ])
        #expect(warnings.isEmpty)
        let file = try self.layout(
            #"{"name": "x", "bridges": [{"at": "00:01.0", "secondary": 1}], "functions": [{"at": "01:00.0", "repeat": 4}]}"#
        )
        selection.only = [try #require(DomainAddress(text: "01:00.3"))]
        #expect(try file.selecting(selection).functions.map { "\($0.address)" } == ["00:01.0", "01:00.0"])
        // A bridge that is asked for is there although nothing lies behind it.
        selection.only = ["00:01.4", "00:02.0"].compactMap { DomainAddress(text: $0) }
        let some = try read(LspciText.disks("00:02.0") + text, selection).layout
        #expect(some.functions.map { "\($0.source)" } == ["00:01.4", "00:02.0"])
    }

    @Test("flat, functions of many segments are on one")
    func flatSegments() throws {
        let functions = (0..<5).map { #"{"at": "000\#($0):01:00.0"}"# }.joined(separator: ",")
        let layout = try layout(#"{"name": "x", "functions": [\#(functions)]}"#)
        #expect(throws: PlanError.self) { try Plan(layout) }
        let flat = try layout.selecting(.flat)
        #expect(
            flat.functions.map { "\($0.source) \($0.address)" } == [
                "0001:01:00.0 00:00.0", "0002:01:00.0 00:00.1", "0003:01:00.0 00:00.2", "0004:01:00.0 00:00.3",
                "01:00.0 01:00.0",
            ])
        #expect(try Plan(flat).fits)
    }

    // MARK: Wishes without effect

    @Test("what changes nothing is refused: capabilities that nobody has, virtual functions where there are none")
    func nothingToDo() throws {
        var selection = DumpSelection()
        selection.shown = [CapabilityKind(id: 0x0f, isExtended: true)]
        for function in [try read(LspciText.gpu("01:00.0")).layout, try #require(Layout.preset("one"))] {
            #expect(throws: LayoutError.nobodyHas("the capability ATS")) { try function.selecting(selection) }
        }
        selection.shown = []
        selection.virtualFunctions = 2
        #expect(throws: LayoutError.nobodyHas("virtual functions")) { try read(LspciText.gpu("01:00.0"), selection) }
        selection.virtualFunctions = 0
        #expect(try read(LspciText.gpu("01:00.0"), selection).layout.functions.count == 1)
    }

    @Test("refused sizes and addresses are told with what is possible")
    func refusals() throws {
        let text = LspciText.gpu("01:00.0", memory: "64G")
        for (name, size, words) in [
            ("01:00.0/0", 1 << 30, "it supports 16M"), ("01:00.0/5", 256, "it has ports"),
            ("01:00.0/1", 3 << 30, "power of two from 16 bytes to 4P"), ("01:00.0/2", 1 << 30, "no BAR 2"),
        ] as [(String, UInt64, String)] {
            var selection = DumpSelection()
            selection.resized = [try place(name): size]
            let error = #expect(throws: LayoutError.self) { try read(text, selection) }
            #expect(error.map { "\($0)".contains(words) } == true, "\(error.map { "\($0)" } ?? "")")
        }
        for (addresses, words) in [
            (["01:00.0/1": 0x1000], "begins at a multiple of 64G"),
            (["01:00.0/1": 1 << 50], "its aperture is 0x100000000 to 0x1000ffffffff"),
            (["01:00.0/0": 0xff00_0000], "its aperture is 0xd0000000 to 0xfebfffff"),
            (["01:00.0/1": 1 << 40, "01:00.0/3": 1 << 40], "the range overlaps another BAR or window"),
        ] as [([String: UInt64], String)] {
            var selection = DumpSelection()
            for (name, address) in addresses { selection.fixed[try place(name)] = address }
            let obstacle = try Plan(try read(text, selection).layout).obstacleText ?? ""
            #expect(obstacle.contains(words), "\(obstacle)")
        }
    }

    // MARK: Captures

    @Test("a captured function shows hidden capabilities that are asked for, and others are told of")
    func captures() throws {
        var record = try RecordedLayoutTests.record(extended: true)
        // ATS instead of the serial number.
        record.configuration[0x100] = 0x0f
        let file = RecordedLayout(at: FunctionAddress(requesterID: 40), record)
        let layout = try JSONDecoder().decode(LayoutFile.self, from: try JSONEncoder().encode(file)).layout
        #expect(texts(layout.warnings).contains { $0.hasSuffix("ATS of 00:05.0") })
        var selection = DumpSelection()
        selection.shown = [CapabilityKind(id: 0x0f, isExtended: true)]
        let shown = try layout.selecting(selection)
        #expect(shown.warnings.isEmpty)
        for (layout, id) in [(layout, 0), (shown, 0x0f)] as [(Layout, UInt64)] {
            var function = try PCIFunction(layout.functions[0].description, at: layout.functions[0].address)
            #expect(function.read(at: 0x100, width: .word) == id)
        }
        #expect(shown.functions[0].description.bars == layout.functions[0].description.bars)
    }
}
