package import SystemPackage

/// The owner of an open file descriptor. It closes the descriptor when it goes out of scope.
package struct Descriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes ownership of the descriptor that a call into CHost returned. If the call returned a negative errno instead, throws it.
    package init(owning result: Int32, _ call: String, _ subject: @autoclosure () -> String) throws(HostError) {
        number = try check(result, call, subject())
    }

    deinit {
        try? file.close()
    }

    /// The descriptor in the type of the module `SystemPackage`. It is valid while the owner lives.
    package var file: FileDescriptor { FileDescriptor(rawValue: number) }
}
