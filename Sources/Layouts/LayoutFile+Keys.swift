/// A layout file whose every key is known: a key that is misspelt would otherwise be left out without a word.
public struct CheckedLayoutFile: Decodable, Sendable {
    public let file: LayoutFile

    public init(from decoder: any Decoder) throws {
        try Self.check(decoder, against: .layout)
        file = try LayoutFile(from: decoder)
    }

    /// The keys that an object may have, and what lies behind those that are objects or lists of objects.
    private indirect enum Schema: Sendable {
        case object([String: Schema])
        case list(Schema)
        case value

        private static let location = Schema.object(["bar": .value, "offset": .value])

        static let layout = Schema.object([
            "name": .value, "functions": .list(function), "buses": .value,
            "apertures": .object(["low": range, "high": range]),
        ])

        private static let range = Schema.object(["base": .value, "size": .value])

        private static let function = Schema.object([
            "at": .value, "repeat": .value, "vendor": .value, "device": .value, "class": .value, "rom": .value,
            "msi": .value, "bars": .list(bar), "doorbell": location,
            "msix": .object(["vectors": .value, "table": location, "pendingBits": location]),
        ])

        private static let bar = Schema.object([
            "bar": .value, "kind": .value, "size": .value, "prefetchable": .value,
            "registers": .list(.object(["offset": .value, "size": .value])),
        ])
    }

    private struct Key: CodingKey {
        let stringValue: String
        let intValue: Int? = nil

        init(stringValue: String) {
            self.stringValue = stringValue
        }

        init?(intValue: Int) {
            nil
        }
    }

    /// Looks at keys only: what has another shape than it should is found when it is decoded.
    private static func check(_ decoder: any Decoder, against schema: Schema) throws {
        switch schema {
        case .value: return
        case .object(let known):
            guard let container = try? decoder.container(keyedBy: Key.self) else { return }
            for key in container.allKeys {
                guard let inner = known[key.stringValue] else {
                    throw DecodingError.dataCorruptedError(
                        forKey: key, in: container,
                        debugDescription: "there is no such key (docs/layouts.md lists them)")
                }
                try check(try container.superDecoder(forKey: key), against: inner)
            }
        case .list(let element):
            guard var container = try? decoder.unkeyedContainer() else { return }
            while !container.isAtEnd {
                try check(try container.superDecoder(), against: element)
            }
        }
    }
}
