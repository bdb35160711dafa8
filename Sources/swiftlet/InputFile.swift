import FoundationEssentials
import Host

/// A file that the user names, with its whole contents.
struct InputFile {
    let path: String
    let bytes: [UInt8]

    /// The name of standard input, which `-` stands for.
    static let standardInput = "/dev/stdin"

    /// Throws an error if more than one of the paths is standard input, of which the first would leave nothing to the others.
    static func checkStandardInput(_ paths: [String]) throws {
        if paths.count(where: { ["-", standardInput].contains($0) }) > 1 {
            throw failure("two files are to be read from standard input: name a file for one of them", .usage)
        }
    }

    /// Reads a file of at most `limit` bytes. `-` is standard input.
    ///
    /// - Parameters:
    ///   - kind: What the file is, for the error that it cannot be read.
    ///   - remedy: The limit in words, and what to do about it, for the error that the file is larger.
    init(_ path: String, kind: String, limit: Int, remedy: String? = nil) throws {
        self.path = path
        do { bytes = try readFile(path == "-" ? Self.standardInput : path, limit: limit) } catch {
            if error.isFileTooLarge, let remedy { throw failure("\(path) is larger than \(remedy)", .badInput) }
            throw failure("cannot read the \(kind): \(error)", .badInput)
        }
    }

    func decoded<Value: Decodable>(as type: Value.Type) throws -> Value {
        if let mistake = JSONMistake.description(of: bytes) { throw failure("\(path): \(mistake)", .badInput) }
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
            throw failure("\(path): \(Self.describe(error, in: bytes))", .badInput)
        }
    }

    /// Describes an error in a JSON file, and its place in the file.
    ///
    /// - Parameter bytes: The file, which is JSON, and in which the line is found. Nil for a text that has one line.
    static func describe(_ error: any Error, in bytes: [UInt8]? = nil) -> String {
        func place(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
            let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
            let line = path.isEmpty ? nil : bytes.flatMap { JSONMistake.line(of: path, in: $0) }
            return Self.place(context, last) + (line.map { " (line \($0))" } ?? "")
        }
        return switch error {
        case DecodingError.keyNotFound(let key, let context): "\(place(context, key)) is missing"
        case DecodingError.typeMismatch(let type, let context), DecodingError.valueNotFound(let type, let context):
            "\(place(context)) is not \(kind(of: type))"
        case DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty:
            bytes == nil
                ? "not valid JSON" : "a number in it is not whole, or is too large, where it may not be"
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
    json.reduce(into: []) { bytes, byte in
        let isSecond = bytes.last == 0xc2 && byte < 0xa0
        if isSecond { bytes.removeLast() }
        guard isSecond || byte == 0x7f else { return bytes.append(byte) }
        bytes += Array("\\u00\(String(byte, radix: 16))".utf8)
    }
}
