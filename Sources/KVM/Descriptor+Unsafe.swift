internal import CKVM

/// An open file descriptor and its end: whoever holds it closes it, also where an initialiser throws half-way.
struct Descriptor: ~Copyable, Sendable {
    let number: Int32

    /// Takes over the descriptor that a call returned, or throws the error that it returned instead.
    init(owning result: Int32, _ request: String, _ subject: @autoclosure () -> String = "") throws(KVMError) {
        number = try check(result, request, subject())
    }

    /// Opens a device for reading and writing.
    init(device: String) throws(KVMError) {
        // SAFETY: the string lives through the call.
        try self.init(owning: unsafe ckvm_open(device), "open", device)
    }

    deinit {
        _ = ckvm_close(number)
    }
}
