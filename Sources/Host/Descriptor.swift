package import SystemPackage

/// An open file descriptor and its end.
package struct Descriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes over the descriptor that a call returned, or throws the error that it returned instead.
    package init(owning result: Int32, _ call: String, _ subject: @autoclosure () -> String) throws(HostError) {
        number = try check(result, call, subject())
    }

    deinit {
        try? file.close()
    }

    /// The descriptor, lent to calls of System.
    package var file: FileDescriptor { FileDescriptor(rawValue: number) }
}
