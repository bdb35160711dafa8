/// Ends the process, which libFuzzer reports together with the input, where `condition` does not hold.
public func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition {
        fatalError(message())
    }
}
