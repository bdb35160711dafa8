import FoundationEssentials
import Host

/// A file that the user names, with its whole contents.
struct InputFile {
    let path: String
    let bytes: [UInt8]

    /// Reads a file of at most `limit` bytes. `-` is standard input.
    ///
    /// - Parameters:
    ///   - kind: What the file is, for the error that it cannot be read.
    ///   - remedy: The limit in words, and what to do about it, for the error that the file is larger.
    init(_ path: String, kind: String, limit: Int, remedy: String? = nil) throws {
        self.path = path
        do { bytes = try readFile(path == "-" ? "/dev/stdin" : path, limit: limit) } catch {
            if error.isFileTooLarge, let remedy { throw failure("\(path) is larger than \(remedy)", .badInput) }
            throw failure("cannot read the \(kind): \(error)", .badInput)
        }
    }

    func decoded<Value: Decodable>(as type: Value.Type) throws -> Value {
        let value: Value
        do { value = try JSONDecoder().decode(type, from: Data(bytes)) } catch {
            throw failure("\(path): \(Self.describe(error, in: bytes))", .badInput)
        }
        if let twice = JSONMistake.repeatedKey(in: bytes) { throw failure("\(path): \(twice)", .badInput) }
        return value
    }

    /// Describes an error in a JSON file, and its place in the file.
    ///
    /// - Parameter bytes: The file, in which the line of a syntax error is found. Nil for a single line of a file.
    static func describe(_ error: any Error, in bytes: [UInt8]? = nil) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context): "\(place(context, key)) is missing"
        case DecodingError.typeMismatch(let type, let context), DecodingError.valueNotFound(let type, let context):
            "\(place(context)) is not \(kind(of: type))"
        case DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty:
            bytes.map(JSONMistake.description) ?? "not valid JSON"
        case DecodingError.dataCorrupted(let context): "\(place(context)): \(context.debugDescription)"
        default: "\(error)"
        }
    }

    /// The JSON that stands for a type, in words.
    private static func kind(of type: any Any.Type) -> String {
        switch type {
        case is String.Type: "a text"
        case is Bool.Type: "true or false"
        case is any (BinaryInteger.Type), is any (BinaryFloatingPoint.Type): "a number of the right kind"
        case is [String: Any].Type: "an object"
        case is [Any].Type: "a list"
        default: "a value of the right type"
        }
    }

    /// Returns the key as people would write it: `functions[2].bars[0].size`.
    private static func place(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
        let keys = context.codingPath + (last.map { [$0] } ?? [])
        let text = keys.reduce("") { path, key in
            key.intValue.map { "\(path)[\($0)]" } ?? (path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)")
        }
        return text.isEmpty ? "the file" : text
    }
}

/// Encodes a value as one JSON object on one line.
func encodeJSON(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return escapingControls(try encoder.encode(value)) + [UInt8(ascii: "\n")]
}

/// Escapes the control characters U+007F to U+009F. JSON allows them unescaped in strings, and they can be nowhere else.
private func escapingControls(_ json: Data) -> [UInt8] {
    var (bytes, rest) = ([UInt8](), json[...])
    while let byte = rest.popFirst() {
        if byte == 0x7f {
            bytes += Array("\\u007f".utf8)
        } else if byte == 0xc2, let next = rest.first, next < 0xa0 {
            rest.removeFirst()
            bytes += Array("\\u00\(String(next, radix: 16))".utf8)
        } else {
            bytes.append(byte)
        }
    }
    return bytes
}
