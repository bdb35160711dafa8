public import SystemPackage

/// A request that KVM refused.
public struct KVMError: Error, Equatable, Sendable {
    /// The request's name in the KVM API, such as `KVM_CREATE_VCPU`.
    public let request: String
    /// What the request was about: an id, an address, a size. It is empty if the name of the request says enough.
    public let subject: String
    /// The errno that KVM returned.
    public let errno: Errno

    /// Creates the error of a request.
    package init(request: String, subject: String = "", errno: Errno) {
        self.request = request
        self.subject = subject
        self.errno = errno
    }
}

extension KVMError: CustomStringConvertible {
    public var description: String {
        let asked = subject.isEmpty ? request : "\(request) (\(subject))"
        return "KVM refused \(asked): \(errno) [errno \(errno.rawValue)]"
    }
}

/// Returns the result of a call into CKVM. If the result is a negative errno, throws it as the error of a request.
@inline(__always)
@discardableResult
func check(
    _ result: Int32, _ request: String, _ subject: @autoclosure () -> String = ""
) throws(KVMError) -> Int32 {
    guard result >= 0 else {
        throw KVMError(request: request, subject: subject(), errno: Errno(rawValue: -result))
    }
    return result
}
