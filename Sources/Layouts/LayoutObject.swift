internal import Memslots
internal import PCI

/// An object of a layout file or of a request. An unknown key is an error, because otherwise a misspelt key would be ignored
/// silently.
package struct LayoutObject {
    private let values: KeyedDecodingContainer<Key>

    package struct Key: CodingKey {
        package let stringValue: String
        package let intValue: Int? = nil

        package init(stringValue: String) {
            self.stringValue = stringValue
        }

        package init?(intValue: Int) {
            nil
        }
    }

    package init(_ values: KeyedDecodingContainer<Key>, keys: Set<String>) throws {
        self.values = values
        for key in values.allKeys where !keys.contains(key.stringValue) {
            throw LayoutError.unknownKey(path(key.stringValue), known: keys.sorted())
        }
    }

    /// The keys that the object has.
    var keys: Set<String> { Set(values.allKeys.map(\.stringValue)) }

    /// Whether the object has the key, with a value that is not `null`.
    package func has(_ key: String) -> Bool {
        (try? values.decodeNil(forKey: Key(stringValue: key))) == false
    }

    package func value<Value: Decodable>(_ key: String) throws -> Value {
        let words: [(Any.Type, String)] = [
            (Int.self, "a whole number"), (String.self, "a string"), (Bool.self, "true or false"),
        ]
        let expected = words.first { $0.0 == Value.self }?.1 ?? "a list or an object of strings"
        return try read(key, expected) { try values.decode(Value.self, forKey: $0) }
    }

    func optional<Value: Decodable>(_ key: String) throws -> Value? {
        has(key) ? try value(key) as Value : nil
    }

    func object(_ key: String, keys: Set<String>) throws -> LayoutObject {
        let inner = try read(key, "an object") { try values.nestedContainer(keyedBy: Key.self, forKey: $0) }
        return try LayoutObject(inner, keys: keys)
    }

    /// Reads a list of objects.
    func list(_ key: String, keys: Set<String>) throws -> [LayoutObject] {
        var list = try read(key, "a list of objects") { try values.nestedUnkeyedContainer(forKey: $0) }
        var objects: [LayoutObject] = []
        while !list.isAtEnd {
            let object = try read("\(key)[\(list.currentIndex)]", "an object") { _ in
                try list.nestedContainer(keyedBy: Key.self)
            }
            objects.append(try LayoutObject(object, keys: keys))
        }
        return objects
    }

    /// Reads a value. Reports failures as a `LayoutError`.
    private func read<Value>(_ key: String, _ expected: String, _ decode: (Key) throws -> Value) throws -> Value {
        do { return try decode(Key(stringValue: key)) } catch DecodingError.keyNotFound {
            throw LayoutError.missingKey(path(key), expected: expected)
        } catch {
            let text = try? values.decode(String.self, forKey: Key(stringValue: key))
            throw badValue(key, text ?? "", expected: expected)
        }
    }

    /// Reads a number, or a string that means one: `4096`, `"4K"`, `"0x1000"`.
    func number(_ key: String) throws -> UInt64 {
        let words = "a number such as 4096, \"4K\", \"16M\" or \"0x1000\""
        if let number = try? values.decode(UInt64.self, forKey: Key(stringValue: key)) { return number }
        let text = try read(key, words) { try values.decode(String.self, forKey: $0) }
        guard let number = UInt64(quantity: text) else { throw badValue(key, text, expected: words) }
        return number
    }

    /// Reads a number that must be below `end`. Nil if the key is missing.
    func number(_ key: String, below end: UInt64, _ expected: String) throws -> UInt64? {
        guard has(key) else { return nil }
        let number = try number(key)
        guard number < end else { throw badValue(key, "\(number)", expected: expected) }
        return number
    }

    /// Reads an ID or a class code. In a string it begins with `0x`, because lspci writes `8086` for 0x8086, and a string of digits
    /// means a decimal number elsewhere. Nil if the key is missing.
    func code(_ key: String, bits: Int) throws -> UInt64? {
        let words = "a code of \(bits) bits such as \"0x1af4\""
        let text = has(key) ? try? values.decode(String.self, forKey: Key(stringValue: key)) : nil
        if let text, !text.lowercased().hasPrefix("0x") { throw badValue(key, text, expected: words) }
        return try number(key, below: 1 << bits, words)
    }

    func location(_ key: String) throws -> BARLocation {
        let place = try object(key, keys: ["bar", "offset"])
        return BARLocation(bar: try place.value("bar"), offset: try place.number("offset"))
    }

    /// Reads a range of guest-physical addresses, `{"base": …, "size": …}`. Nil if the key is missing.
    func range(_ key: String) throws -> GuestRange? {
        guard has(key) else { return nil }
        let range = try object(key, keys: ["base", "size"])
        let (base, size) = (try range.number("base"), try range.number("size"))
        guard let found = GuestRange(first: GuestAddress(base), size: size) else {
            throw badValue(
                key, "\(sizeText(size)) at \(hexadecimal(base))",
                expected: "a range that has bytes and ends below 2^64")
        }
        return found
    }

    /// Makes the error for an impossible value. It names the key with its path, such as `functions[2].at`.
    package func badValue(_ key: String, _ value: String, expected: String) -> LayoutError {
        .badValue(key: path(key), value: value, expected: expected)
    }

    private func path(_ key: String) -> String {
        let path = (values.codingPath + [Key(stringValue: key)]).map { key in
            key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)"
        }
        return String(path.joined().dropFirst())
    }
}
