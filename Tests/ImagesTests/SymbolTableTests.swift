import PropertySupport
import Testing

@testable import Images

@Suite("Symbols of ELF files")
struct SymbolTableTests {
    /// A file of four sections: none, code, the symbols, and their names.
    private struct File {
        var is64 = true
        var symbols: [(name: String, address: UInt64, size: UInt64, info: UInt8, section: UInt16)] = []
        var link: UInt32 = 3

        var bytes: [UInt8] {
            func number(_ value: UInt64, _ size: Int) -> [UInt8] {
                (0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
            }
            let word = is64 ? 8 : 4
            var names: [UInt8] = [0]
            var table: [UInt8] = []
            for symbol in symbols {
                let name = number(UInt64(names.count), 4)
                names += Array(symbol.name.utf8) + [0]
                let rest = [symbol.info, 0] + number(UInt64(symbol.section), 2)
                let place = number(symbol.address, word) + number(symbol.size, word)
                table += is64 ? name + rest + place : name + place + rest
            }
            let headerSize = is64 ? 64 : 52
            func section(_ type: UInt64, _ offset: Int, _ size: Int, _ link: UInt64, flags: UInt64 = 0) -> [UInt8] {
                number(0, 4) + number(type, 4) + number(flags, word) + number(0, word) + number(UInt64(offset), word)
                    + number(UInt64(size), word)
                    + number(link, 4) + number(0, 4) + number(0, 2 * word)
            }
            let tables = headerSize
            let strings = tables + table.count
            let sections = strings + names.count
            var header: [UInt8] =
                [0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1] + number(0, 9) + number(2, 2) + number(62, 2)
            header += number(1, 4) + number(0, 2 * word) + number(UInt64(sections), word) + number(0, 4)
            header +=
                number(UInt64(headerSize), 2) + number(0, 4) + number(is64 ? 64 : 40, 2) + number(4, 2) + number(0, 2)
            return header + table + names + section(0, 0, 0, 0) + section(1, 0, 0, 0, flags: 6)
                + section(2, tables, table.count, UInt64(link))
                + section(3, strings, names.count, 0)
        }
    }

    private static let function: UInt8 = 0x12

    @Test("an address has the name of its symbol, with the offset behind the beginning", arguments: [true, false])
    func names(is64: Bool) {
        var file = File(is64: is64)
        file.symbols = [
            ("second", 0x2000, 0x10, Self.function, 1), ("first", 0x1000, 0x20, Self.function, 1),
            ("open", 0x3000, 0, 0x10, 1), ("last", 0x4000, 8, Self.function, 1),
            ("section", 0x1000, 0, 3, 1), ("file.c", 0, 0, 4, 0xfff1), ("constant", 0x1001, 0, 0x10, 0xfff1),
            ("undefined", 0, 0, 0x10, 0), ("data", 0x3800, 8, 0x11, 2),
        ]
        let table = SymbolTable(file.bytes)
        let expected: [(UInt64, String?)] = [
            (0xfff, nil), (0x1000, "first"), (0x101f, "first+0x1f"), (0x1020, nil), (0x2000, "second"), (0x2010, nil),
            (0x3000, "open"), (0x3fff, "open+0xfff"), (0x4007, "last+0x7"), (0x4008, nil), (.max, nil), (0, nil),
        ]
        for (address, name) in expected { #expect(table.name(at: address) == name, "\(String(address, radix: 16))") }
    }

    @Test("a last symbol without a size has no end, and so holds nothing")
    func openEnd() {
        var file = File()
        file.symbols = [("end", 0x1000, 0, 0x10, 1)]
        #expect(SymbolTable(file.bytes).name(at: 0x1000) == nil)
    }

    @Test("a symbol without a name is none")
    func empty() {
        var file = File()
        file.symbols = [("", 0x1000, 4, Self.function, 1), ("second", 0x2000, 4, Self.function, 1)]
        let table = SymbolTable(file.bytes)
        #expect(table.name(at: 0x1000) == nil && table.name(at: 0x2001) == "second+0x1")
    }

    @Test("control characters in names do not reach a terminal")
    func control() {
        var file = File()
        file.symbols = [("a\u{1b}[2J\u{9b}b", 0x1000, 4, Self.function, 1)]
        #expect(SymbolTable(file.bytes).name(at: 0x1001) == "a?[2J??b+0x1")
    }

    @Test("a file that is cut, damaged, or no ELF has symbols or none, and never traps", arguments: propertySeeds)
    func damage(seed: UInt64) {
        var file = File()
        file.symbols = [("first", 0x1000, 0x20, Self.function, 1), ("second", 0x2000, 0x10, Self.function, 1)]
        let bytes = file.bytes
        for count in 0..<bytes.count {
            #expect(SymbolTable(Array(bytes.prefix(count))).isEmpty || count == bytes.count)
        }
        file.link = 7
        #expect(SymbolTable(file.bytes).isEmpty)
        #expect(SymbolTable([]).isEmpty && SymbolTable(Array("MZ".utf8)).isEmpty)
        var random = SplitMix64(seed: seed)
        for _ in 0..<2000 {
            var damaged = bytes
            for _ in 0..<3 {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = .random(in: .min ... .max, using: &random)
            }
            _ = SymbolTable(damaged).name(at: 0x1000)
        }
    }
}
