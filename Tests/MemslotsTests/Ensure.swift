import Testing

/// `#require` for loops that run millions of times: it costs nothing while the condition holds.
func ensure(
    _ condition: Bool, _ comment: @autoclosure () -> Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    guard !condition else { return }
    try #require(condition, comment(), sourceLocation: sourceLocation)
}
