public import SystemPackage

/// A request that KVM refused.
public struct KVMError: Error, Equatable, Sendable {
    /// The request by its name in the KVM API, such as `KVM_CREATE_VCPU`.
    public let request: String
    /// What was asked: an id, an address, a size; empty where the request says it all.
    public let subject: String
    /// KVM's reason.
    public let errno: Errno

    /// Makes the error of a request.
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

/// The result of a call into CKVM, or the error that its negative value stands for.
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
