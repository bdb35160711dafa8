import FoundationEssentials

/// What is wrong with a JSON file, and where in it.
func describeDecoding(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, let context): "\(path(context, key)) is missing"
    case DecodingError.typeMismatch(_, let context): "\(path(context)): \(context.debugDescription)"
    case DecodingError.valueNotFound(_, let context): "\(path(context)) has no value"
    case DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty: "not valid JSON"
    case DecodingError.dataCorrupted(let context): "\(path(context)): \(context.debugDescription)"
    default: "\(error)"
    }
}

/// The key as people would write it: `functions[2].bars[0].size`.
private func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
    let keys = context.codingPath + (last.map { [$0] } ?? [])
    let text = keys.reduce("") { path, key in
        key.intValue.map { "\(path)[\($0)]" } ?? (path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)")
    }
    return text.isEmpty ? "the file" : text
}
