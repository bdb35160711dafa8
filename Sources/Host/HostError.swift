public import SystemPackage

/// A call that the host's kernel refused.
public struct HostError: Error, Hashable, Sendable {
    /// The system call.
    public let call: String
    /// What it was for, with sizes or names.
    public let subject: String
    public let errno: Errno

    /// Makes the error of a call.
    package init(call: String, subject: String, errno: Errno) {
        self.call = call
        self.subject = subject
        self.errno = errno
    }

    /// Whether a file held more than was wanted of it.
    public var isFileTooLarge: Bool { errno == .fileTooLarge }
}

extension HostError: CustomStringConvertible {
    public var description: String {
        let refusal = "\(call) (\(subject)): \(errno) [errno \(errno.rawValue)]"
        switch (call, errno) {
        case ("mmap", .noMemory):
            return refusal
                + "; a process has 47 bits of address space, less under `ulimit -v`, and vm.max_map_count mappings"
        case ("ftruncate", .fileTooLarge): return refusal + "; RLIMIT_FSIZE (`ulimit -f`) limits this file too"
        case (_, .tooManyOpenFiles): return refusal + "; RLIMIT_NOFILE (`ulimit -n`) limits the open files of a process"
        default: return refusal
        }
    }
}

/// The result of a call into CHost, or the error that its negative value stands for.
@discardableResult
@inline(__always)
package func check<Value: SignedInteger>(
    _ result: Value, _ call: String, _ subject: @autoclosure () -> String
) throws(HostError) -> Value {
    guard result >= 0 else {
        throw HostError(call: call, subject: subject(), errno: Errno(rawValue: CInt(-result)))
    }
    return result
}
