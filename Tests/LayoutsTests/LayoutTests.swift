import Foundation
import PCI
import Testing

@testable import Layouts

@Suite("Layouts: presets and files")
struct LayoutTests {
    @Test("every preset has valid functions at addresses of their own", arguments: Layout.presets.map(\.name))
    func presets(name: String) throws {
        let layout = try #require(Layout.preset(name))
        #expect(layout.name == name)
        #expect(Set(layout.functions.map(\.address)).count == layout.functions.count)
        for function in layout.functions {
            try function.description.validate()
        }
    }

    @Test(
        "presets are as large as they say",
        arguments: [
            ("one", 1, 1), ("typical-16", 16, 1), ("typical-32", 32, 1), ("full-bus", 256, 1),
            ("past-the-limit", 4096, 16), ("hgx-8", 8, 1), ("slots-4", 7, 2),
        ])
    func sizes(name: String, functions: Int, buses: Int) throws {
        let layout = try #require(Layout.preset(name))
        #expect(layout.functions.count == functions)
        #expect(layout.buses == buses)
    }

    @Test(
        "mapped pieces are what the discussion of 2012 counted",
        arguments: [
            ("one", 1), ("typical-16", 64), ("typical-32", 128), ("full-bus", 2048), ("past-the-limit", 32768),
            ("hgx-8", 40),
        ])
    func mappedPieces(name: String, slots: Int) throws {
        let layout = try #require(Layout.preset(name))
        let pieces = layout.functions.reduce(0) { sum, function in
            sum
                + function.description.registers.reduce(0) { sum, register in
                    sum + function.description.pieces(of: register).filter { $0.kind == .mapped }.count
                }
        }
        #expect(pieces == slots)
    }

    @Test("a file with every key is read, repeated functions take the addresses behind the first")
    func file() throws {
        let layout = try read(
            """
            {"name": "mine", "functions": [
              {"at": "00:02.0", "repeat": 9, "vendor": "0x8086", "device": 4096, "class": "0x020000", "rom": "64K",
               "bars": [{"bar": 0, "kind": "memory32", "size": "16K", "registers": [{"offset": 0, "size": 4096}]},
                        {"bar": 2, "kind": "memory64", "size": "1G", "prefetchable": true}],
               "msi": 8, "msix": {"vectors": 4, "table": {"bar": 0, "offset": "0x2000"}, "pendingBits": {"bar": 0, "offset": "0x2800"}},
               "doorbell": {"bar": 0, "offset": "0x2808"}}]}
            """)
        #expect(layout.functions.count == 9)
        #expect(layout.functions.map(\.address).last == FunctionAddress(bus: 0, device: 3, function: 0))
        let function = try #require(layout.functions.first?.description)
        #expect(function.vendorID == 0x8086 && function.deviceID == 0x1000 && function.romSize == 65536)
        #expect(function.bars[0]?.registers == [0..<4096])
        #expect(function.bars[2]?.isPrefetchable == true && function.bars[2]?.size == 1 << 30)
        #expect(function.msiVectors == 8)
        #expect(function.msix?.vectors == 4 && function.doorbell?.offset == 0x2808)
    }

    @Test(
        "what cannot be is refused with the key and the value",
        arguments: [
            (#"{"at": "00:20.0"}"#, "functions[0].at"), (#"{"at": "x"}"#, "functions[0].at"),
            (#"{"at": "00:04:0"}"#, "functions[0].at"), (#"{"at": "00:04.0 "}"#, "functions[0].at"),
            (#"{"at": "00:01.0", "repeat": 0}"#, "repeat"), (#"{"at": "ff:1f.7", "repeat": 2}"#, "ff:1f.7"),
            (#"{"at": "00:01.0", "repeat": 9223372036854775807}"#, "9223372036854775807"),
            (#"{"at": "00:01.0", "vendor": 65536}"#, "functions[0].vendor"),
            (#"{"at": "00:01.0", "vendor": "8086"}"#, "functions[0].vendor"),
            (#"{"at": "00:01.0", "device": "1572"}"#, "functions[0].device"),
            (#"{"at": "00:01.0", "class": "20000"}"#, "functions[0].class"),
            (#"{"at": "00:01.0", "class": "0x1000000"}"#, "functions[0].class"),
            (
                #"{"at": "00:01.0", "bars": [{"bar": 0, "kind": "io", "size": 4}, {"bar": 0, "kind": "io", "size": 4}]}"#,
                "bars[1].bar"
            ),
            (
                #"{"at": "00:01.0", "bars": [{"bar": 0, "kind": "memory32", "size": 4096, "registers": [{"offset": 1, "size": 4096}]}]}"#,
                "bars[0].registers[0]"
            ),
        ])
    func badValues(function: String, words: String) {
        let error = #expect(throws: LayoutError.self) {
            _ = try read(#"{"name": "bad", "functions": [\#(function)]}"#)
        }
        #expect(error.map { "\($0)".contains(words) } == true)
    }

    @Test(
        "a key that does not exist is refused, at any depth",
        arguments: [
            #"{"name": "x", "functions": [], "colour": 1}"#,
            #"{"name": "x", "functions": [{"at": "00:01.0", "rmo": "4K"}]}"#,
            #"{"name": "x", "functions": [{"at": "00:01.0", "bars": [{"bar": 0, "kind": "io", "size": 4, "sise": 4}]}]}"#,
        ])
    func unknownKeys(json: String) {
        let error = #expect(throws: LayoutError.self) { _ = try read(json) }
        #expect(error.map { "\($0)".contains("unknown key") } == true)
    }

    @Test(
        "what is no value is told with its path and what was expected",
        arguments: [
            (#"{"name": 1, "functions": []}"#, "name is not a string"),
            (#"{"functions": []}"#, "name is missing: a string"),
            (#"{"name": "x", "functions": {}}"#, "functions is not a list of objects"),
            (#"{"name": "x", "functions": [7]}"#, "functions[0] is not an object"),
            (#"{"name": "x", "functions": [{"bars": []}]}"#, "functions[0].at is missing: a string"),
            (#"{"name": "x", "functions": [{"at": true}]}"#, "functions[0].at is not a string"),
            (#"{"name": "x", "functions": [{"at": "00:01.0", "msi": 1.5}]}"#, "msi is not a whole number"),
            (#"{"name": "x", "functions": [{"at": "00:01.0", "repeat": "2"}]}"#, "repeat: `2` is not a whole number"),
            (#"{"name": "x", "functions": [{"at": "00:01.0", "rom": 1.5}]}"#, "rom is not a number such as"),
            (#"{"name": "x", "functions": [{"at": "00:01.0", "rom": []}]}"#, "rom is not a number such as"),
            (#"{"name": "x", "functions": [{"at": "00:01.0", "msix": 3}]}"#, "functions[0].msix is not an object"),
            (
                #"{"name": "x", "functions": [{"at": "00:01.0", "bars": [{"bar": 0, "kind": "mem", "size": 16}]}]}"#,
                "functions[0].bars[0].kind: `mem` is not memory32, memory64 or io"
            ),
            (
                #"{"name": "x", "functions": [{"at": "00:01.0", "bars": [{"bar": 0, "kind": "io"}]}]}"#,
                "functions[0].bars[0].size is missing"
            ),
            (
                #"{"name": "x", "functions": [{"at": "00:01.0", "bars": [{"kind": "io", "size": 4, "bar": null}]}]}"#,
                "functions[0].bars[0].bar is not a whole number"
            ),
        ])
    func wrongValues(json: String, words: String) {
        let error = #expect(throws: LayoutError.self) { _ = try read(json) }
        #expect(error.map { "\($0)".contains(words) } == true, "\(error.map { "\($0)" } ?? "")")
    }

    @Test("two functions at one address are refused")
    func sharedAddress() {
        let error = #expect(throws: LayoutError.self) {
            _ = try read(#"{"name": "bad", "functions": [{"at": "00:01.0", "repeat": 3}, {"at": "00:01.2"}]}"#)
        }
        #expect(error.map { "\($0)".contains("00:01.2") } == true)
    }

    @Test("a device process gives a function, and says all else about it")
    func deviceProcesses() throws {
        let layout = try read(
            #"{"name": "two", "functions": [{"at": "00:01.0"}, {"at": "00:02.0", "vfioUser": "/a/socket"}]}"#)
        #expect(layout.functions.count == 1)
        #expect(
            layout.assigned.map { "\($0.key)" } == ["00:02.0"] && layout.assigned.values.first == .process("/a/socket"))
        for other in [#"{"at": "00:02.0"}"#, #"{"at": "00:02.0", "vfioUser": "/b"}"#] {
            let error = #expect(throws: LayoutError.self) {
                _ = try read(#"{"name": "bad", "functions": [\#(other), {"at": "00:02.0", "vfioUser": "/a"}]}"#)
            }
            #expect(error.map { "\($0)".contains("00:02.0") } == true)
        }
        #expect(throws: LayoutError.self) {
            _ = try read(#"{"name": "bad", "functions": [{"at": "00:02.0", "vfioUser": "/a", "rom": "4K"}]}"#)
        }
    }

    @Test(
        "numbers that are none are refused",
        arguments: ["4Q", "5ß", "", "K", "0x", "-1", "+4K", "0x+4", "4P", "99999999999T"])
    func badNumbers(text: String) {
        #expect(throws: LayoutError.self) {
            _ = try read(#"{"name": "bad", "functions": [{"at": "00:01.0", "rom": "\#(text)"}]}"#)
        }
    }

    private func read(_ json: String) throws -> Layout {
        try JSONDecoder().decode(LayoutFile.self, from: Data(json.utf8)).layout
    }
}
