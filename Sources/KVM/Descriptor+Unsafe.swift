internal import CKVM

/// The owner of an open file descriptor. It closes the descriptor when it goes out of scope, even if an initialiser that holds it
/// throws.
struct Descriptor: ~Copyable, Sendable {
    let number: Int32

    /// Takes ownership of the descriptor that a call into CKVM returned. If the call returned a negative errno instead, throws it.
    init(owning result: Int32, _ request: String, _ subject: @autoclosure () -> String = "") throws(KVMError) {
        number = try check(result, request, subject())
    }

    /// Opens a device for reading and writing.
    init(device: String) throws(KVMError) {
        // SAFETY: the string lives until the call returns.
        try self.init(owning: unsafe ckvm_open(device), "open", device)
    }

    deinit {
        _ = ckvm_close(number)
    }
}
