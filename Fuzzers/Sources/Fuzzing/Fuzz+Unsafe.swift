internal import CFuzzing

// SAFETY: written once, before the first input; libFuzzer calls from one thread only.
private nonisolated(unsafe) var test: @Sendable ([UInt8]) -> Void = { _ in }

/// Gives `body` one input after another. A trap in it, or an `expect` that does not hold, is a finding.
public func fuzz(_ body: @escaping @Sendable ([UInt8]) -> Void) {
    unsafe test = body
    unsafe fuzzing_set_test { bytes, count in
        // SAFETY: `count` bytes, which stay until the call returns.
        unsafe test([UInt8](UnsafeBufferPointer(start: bytes, count: count)))
    }
}
