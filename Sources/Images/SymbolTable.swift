internal import Memslots

/// The symbols of the code in an ELF file, for people who want to know where a guest was. Names are those of the file, not demangled.
public struct SymbolTable: Sendable {
    private struct Symbol {
        let address: UInt64
        /// The size in bytes, or 0 if the file does not tell it.
        let size: UInt64
        /// The offset of the symbol's name in the names.
        let name: Int
    }

    private struct Content {
        var symbols: [Symbol] = []
        var names: [UInt8] = []
    }

    /// The symbols in the order of their addresses.
    private let symbols: [Symbol]
    /// The names. Each ends with a zero byte.
    private let names: [UInt8]

    /// Whether the table has no symbols.
    public var isEmpty: Bool { symbols.isEmpty }

    /// Reads the symbol table of a file (TIS ELF 1.2, "Symbol Table"). The table is empty if the file is not ELF, has no
    /// symbols, or has a table that cannot be read, because a guest runs without it too.
    public init(_ bytes: [UInt8]) {
        let content = (try? Self.read(bytes)) ?? Content()
        symbols = content.symbols.sorted { $0.address < $1.address }
        names = content.names
    }

    /// Returns the symbol that holds an address, with the offset in it, such as `main+0x12`. Returns nil if there is none. A
    /// symbol without a size reaches to the next symbol.
    public func name(at address: UInt64) -> String? {
        let next = symbols.partitioningIndex { $0.address > address }
        // Symbols with the same address are neighbours.
        let start = next > 0 ? symbols[next - 1].address : 0
        let symbol = symbols[..<next].reversed().prefix { $0.address == start }.first {
            $0.size == 0 ? next < symbols.count : address - $0.address < $0.size
        }
        guard let symbol else { return nil }
        let offset = address - symbol.address
        return name(of: symbol) + (offset == 0 ? "" : "+" + hexadecimal(offset))
    }

    /// Returns the name of a symbol: at most 1000 bytes, with a question mark for each byte that is not printable ASCII. The
    /// file may come from anybody, and many of its symbols may share one name.
    private func name(of symbol: Symbol) -> String {
        let bytes = names.dropFirst(symbol.name).prefix(1000).prefix { $0 != 0 }
        return String(decoding: bytes.map { 0x20...0x7e ~= $0 ? $0 : 0x3f }, as: UTF8.self)
    }

    /// The type of the section that holds the symbol table (SHT_SYMTAB).
    private static let symbolTable: UInt32 = 2
    /// The types of symbols without an address of their own (STT_SECTION, STT_FILE).
    private static let nameless: ClosedRange<UInt8> = 3...4

    private static func read(_ bytes: [UInt8]) throws(ImageError) -> Content {
        guard bytes.starts(with: ELFHeader.magic), bytes.count > 5 else { return Content() }
        let is64 = bytes[4] == 2
        let header = try FilePart(bytes, "the ELF header", at: 0, count: is64 ? 64 : 52)
        let start = header.address(at: is64 ? 40 : 32, is64: is64)
        let count: UInt16 = header[is64 ? 60 : 48]
        var sections: [ELFSection] = []
        for index in 0..<Int(count) {
            sections.append(try ELFSection(bytes, table: start, index: index, is64: is64))
        }
        guard let table = sections.first(where: { $0.type == symbolTable }), sections.indices.contains(table.link)
        else {
            return Content()
        }
        let names = try FilePart(
            bytes, "the names of symbols", at: sections[table.link].offset, count: sections[table.link].size)
        let entry = is64 ? 24 : 16
        let part = try FilePart(bytes, "the symbol table", at: table.offset, count: table.size)
        let symbols = (0..<table.size / entry).compactMap { index -> Symbol? in
            let at = index * entry
            let name: UInt32 = part[at]
            let info: UInt8 = part[at + (is64 ? 4 : 12)]
            let section = Int(part[at + (is64 ? 6 : 14)] as UInt16)
            let hasName = names.tail(from: Int(name)).first.map { $0 != 0 } == true
            guard hasName, !nameless.contains(info & 0xf), sections.indices.contains(section), sections[section].isCode
            else {
                return nil
            }
            return Symbol(
                address: part.address(at: at + (is64 ? 8 : 4), is64: is64),
                size: part.address(at: at + (is64 ? 16 : 8), is64: is64), name: Int(name))
        }
        return Content(symbols: symbols, names: Array(names.tail(from: 0)))
    }
}
