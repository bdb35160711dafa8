public import SystemPackage

/// A call that the host's kernel refused.
public struct HostError: Error, Equatable, Sendable {
    /// The system call.
    public let call: String
    /// What it was for, with sizes or names.
    public let subject: String
    public let errno: Errno

    public init(_ call: String, _ subject: String, errno: Errno) {
        self.call = call
        self.subject = subject
        self.errno = errno
    }
}

extension HostError: CustomStringConvertible {
    public var description: String {
        "\(call) (\(subject)): \(errno) [errno \(errno.rawValue)]\(advice)"
    }
}

extension HostError {
    private var advice: String {
        call == "mmap" && errno == .noMemory
            ? "; a process has 47 bits of address space, less under `ulimit -v`, and vm.max_map_count mappings" : ""
    }
}

/// The result of a call into CHost, or the error that its negative value stands for.
@discardableResult
@inline(__always)
func check<Value: SignedInteger>(
    _ result: Value, _ call: String, _ subject: @autoclosure () -> String
) throws(HostError) -> Value {
    guard result >= 0 else {
        throw HostError(call, subject(), errno: Errno(rawValue: CInt(-result)))
    }
    return result
}
