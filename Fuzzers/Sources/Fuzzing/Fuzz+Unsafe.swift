internal import CFuzzing

// SAFETY: It is written once, before the first input. libFuzzer calls from one thread only.
private nonisolated(unsafe) var test: @Sendable ([UInt8]) -> Void = { _ in }

/// Gives `body` one input after another. A trap in `body`, or a false `expect`, is a finding.
public func fuzz(_ body: @escaping @Sendable ([UInt8]) -> Void) {
    unsafe test = body
    unsafe fuzzing_set_test { bytes, count in
        // SAFETY: There are `count` bytes, which are valid until the call returns.
        unsafe test([UInt8](UnsafeBufferPointer(start: bytes, count: count)))
    }
}
