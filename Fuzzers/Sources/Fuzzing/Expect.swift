/// Ends the process if `condition` is false. libFuzzer reports that together with the input.
public func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition {
        fatalError(message())
    }
}
