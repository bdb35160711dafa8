internal import CHost
internal import Glibc
public import SystemPackage

/// Reading and writing by the numbers of descriptors. A signal interrupts a call, and the caller decides whether to go on.
public enum FileBytes {
    /// The descriptor of the standard input.
    public static let standardInput: Int32 = 0
    /// The descriptor of the standard output.
    public static let standardOutput: Int32 = 1
    /// The descriptor of the standard error stream.
    public static let standardError: Int32 = 2

    /// Returns whether a descriptor is a terminal, at which a person may sit.
    public static func isTerminal(_ descriptor: Int32) -> Bool {
        isatty(descriptor) == 1
    }

    /// Returns the number of columns of a terminal. Returns nil if the descriptor is not a terminal, or if the terminal does not
    /// tell.
    public static func columns(of descriptor: Int32) -> Int? {
        var size = winsize()
        // SAFETY: the call fills the structure, which outlives it.
        let result = unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size)
        return result == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
    }

    /// Writes all of `bytes`, however long their reader takes. Asks `isCancelled` before each part, also after a signal, and stops
    /// if the answer is yes.
    ///
    /// - Returns: The number of bytes that were written, and the error if the rest cannot be written.
    @discardableResult
    public static func write(
        _ bytes: [UInt8], to descriptor: Int32, isCancelled: () -> Bool = { false }
    ) -> (count: Int, error: Errno?) {
        var written = 0
        while written < bytes.count {
            if isCancelled() { return (written, nil) }
            do {
                written += try unsafe bytes.withUnsafeBytes { buffer in
                    // SAFETY: the buffer is the rest of the array, which outlives the call.
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                    return try unsafe FileDescriptor(rawValue: descriptor).write(rest, retryOnInterrupt: false)
                }
            } catch Errno.interrupted {
                continue
            } catch Errno.resourceTemporarilyUnavailable {
                // A pipe that does not block is full, because its reader is slow.
                _ = chost_wait_until_ready(descriptor, true, -1)
            } catch {
                if let error = error as? Errno, error == .brokenPipe { chost_pass_on_broken_pipe() }
                return (written, (error as? Errno) ?? .ioError)
            }
        }
        return (written, nil)
    }

    /// Reads up to `count` bytes.
    ///
    /// - Returns: The bytes, or an empty array at the end of the input. An input that cannot be read counts as ended. Nil if a
    ///   signal came, or if there is no input yet.
    public static func read(upTo count: Int, from descriptor: Int32) -> [UInt8]? {
        do {
            return try readOrThrow(upTo: count, from: FileDescriptor(rawValue: descriptor))
        } catch Errno.interrupted, Errno.resourceTemporarilyUnavailable {
            return nil
        } catch {
            return []
        }
    }

    /// Reads up to `count` bytes. Returns an empty array at the end of the input.
    static func readOrThrow(upTo count: Int, from file: FileDescriptor) throws -> [UInt8] {
        try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // SAFETY: the call fills the buffer from its start on.
            initialized = try unsafe file.read(into: UnsafeMutableRawBufferPointer(buffer), retryOnInterrupt: false)
        }
    }
}

extension FileBytes {
    /// Opens a file for reading. The descriptor stays open until the process ends.
    public static func open(_ path: String) throws(HostError) -> Int32 {
        try open(path, .readOnly, options: .closeOnExec)
    }

    /// Opens a device or a pipe for writing. The descriptor stays open until the process ends.
    public static func openStream(_ path: String) throws(HostError) -> Int32 {
        try open(path, .writeOnly, options: .closeOnExec)
    }

    /// Creates a file, or empties an existing one. The descriptor stays open until the process ends.
    public static func create(_ path: String) throws(HostError) -> Int32 {
        try open(path, .writeOnly, options: [.create, .truncate, .closeOnExec])
    }

    private static func open(
        _ path: String, _ mode: FileDescriptor.AccessMode, options: FileDescriptor.OpenOptions
    ) throws(HostError) -> Int32 {
        do {
            let permissions: FilePermissions = [.ownerReadWrite, .groupRead, .otherRead]
            return try FileDescriptor.open(FilePath(path), mode, options: options, permissions: permissions)
                .rawValue
        } catch {
            throw HostError(call: "open", subject: path, errno: (error as? Errno) ?? .ioError)
        }
    }
}
