internal import CHost
internal import Glibc
public import SystemPackage

/// Plain reads and writes, which return when a signal comes: the callers decide whether to go on.
public enum FileBytes {
    public static let standardInput: Int32 = 0
    public static let standardOutput: Int32 = 1
    public static let standardError: Int32 = 2

    /// Whether a descriptor is a terminal, before which somebody may sit.
    public static func isTerminal(_ descriptor: Int32) -> Bool {
        isatty(descriptor) == 1
    }

    /// The columns of a terminal; nil of what is none, or does not tell.
    public static func columns(of descriptor: Int32) -> Int? {
        var size = winsize()
        // SAFETY: the call fills the structure, which outlives it.
        let result = unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size)
        return result == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
    }

    /// Writes all of `bytes`, however long its reader takes, unless `isCancelled` says otherwise when a signal interrupts.
    ///
    /// - Returns: How many bytes were written, and the error if the rest cannot be.
    @discardableResult
    public static func write(
        _ bytes: [UInt8], to descriptor: Int32, isCancelled: () -> Bool = { false }
    ) -> (count: Int, error: Errno?) {
        var written = 0
        while written < bytes.count {
            if isCancelled() { return (written, nil) }
            do {
                written += try unsafe bytes.withUnsafeBytes { buffer in
                    // SAFETY: the rest of the array, which outlives the call.
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                    return try unsafe FileDescriptor(rawValue: descriptor).write(rest, retryOnInterrupt: false)
                }
            } catch Errno.interrupted {
                continue
            } catch Errno.resourceTemporarilyUnavailable {
                // A pipe that does not block is full, and its reader is slow.
                _ = chost_wait_for(descriptor, true, -1)
            } catch {
                if let error = error as? Errno, error == .brokenPipe { chost_pass_on_broken_pipe() }
                return (written, (error as? Errno) ?? .ioError)
            }
        }
        return (written, nil)
    }

    /// Up to `count` bytes that can be read now, and none at the end of input; nil where a signal came or there is nothing
    /// yet. An input that cannot be read is at its end.
    public static func read(upTo count: Int, from descriptor: Int32) -> [UInt8]? {
        do {
            return try readOrThrow(upTo: count, from: FileDescriptor(rawValue: descriptor))
        } catch Errno.interrupted, Errno.resourceTemporarilyUnavailable {
            return nil
        } catch {
            return []
        }
    }

    /// Up to `count` bytes that can be read now; empty at the end of input.
    static func readOrThrow(upTo count: Int, from file: FileDescriptor) throws -> [UInt8] {
        try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // SAFETY: the call fills the buffer from its start.
            initialized = try unsafe file.read(into: UnsafeMutableRawBufferPointer(buffer), retryOnInterrupt: false)
        }
    }
}

extension FileBytes {
    /// Opens a file for reading; the descriptor stays open until the process ends.
    public static func open(_ path: String) throws(HostError) -> Int32 {
        try open(path, .readOnly, options: .closeOnExec)
    }

    /// Opens a device or a pipe for writing; the descriptor stays open until the process ends.
    public static func openStream(_ path: String) throws(HostError) -> Int32 {
        try open(path, .writeOnly, options: .closeOnExec)
    }

    /// Creates a file, or empties one that is there; the descriptor stays open until the process ends.
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
