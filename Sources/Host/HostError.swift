public import SystemPackage

/// The refusal of a system call by the host's kernel.
public struct HostError: Error, Hashable, Sendable {
    /// The name of the system call.
    public let call: String
    /// What the call was for, such as a size or the name of a file.
    public let subject: String
    /// The errno that the kernel returned.
    public let errno: Errno

    /// Creates the error of a call.
    package init(call: String, subject: String, errno: Errno) {
        self.call = call
        self.subject = subject
        self.errno = errno
    }

    /// Whether a file was larger than the caller allowed.
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

/// Returns the result of a call into CHost. If the result is a negative errno, throws it as the error of a system call.
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
