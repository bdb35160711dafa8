internal import CHost
internal import Glibc
internal import SystemPackage

/// Plain reads and writes, which return when a signal comes: the callers decide whether to go on.
public enum FileBytes {
    public static let standardInput: Int32 = 0
    public static let standardOutput: Int32 = 1
    public static let standardError: Int32 = 2

    /// Whether a descriptor is a terminal, before which somebody may sit.
    public static func isTerminal(_ descriptor: Int32) -> Bool {
        isatty(descriptor) == 1
    }

    /// Writes all of `bytes`, unless `isCancelled` says otherwise when a signal interrupts; whether all were written.
    @discardableResult
    public static func write(_ bytes: [UInt8], to descriptor: Int32, isCancelled: () -> Bool = { false }) -> Bool {
        var written = 0
        while written < bytes.count {
            if isCancelled() { return false }
            let result = unsafe bytes.withUnsafeBytes { buffer in
                // SAFETY: the rest of the array, which outlives the call.
                unsafe chost_write(descriptor, buffer.baseAddress.map { unsafe $0 + written }, buffer.count - written)
            }
            if result >= 0 {
                written += Int(result)
            } else if result != -interrupted {
                return false
            }
        }
        return true
    }

    /// Up to `count` bytes that can be read now, and none at the end of input; nil where a signal came or there is nothing
    /// yet. An input that cannot be read is at its end.
    public static func read(upTo count: Int, from descriptor: Int32) -> [UInt8]? {
        do throws(Errno) {
            return try readOrThrow(upTo: count, from: descriptor)
        } catch {
            return error == .interrupted || error == .resourceTemporarilyUnavailable ? nil : []
        }
    }

    /// Up to `count` bytes that can be read now; empty at the end of input.
    static func readOrThrow(upTo count: Int, from descriptor: Int32) throws(Errno) -> [UInt8] {
        var result: Int64 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // SAFETY: the buffer holds `count` bytes.
            result = unsafe chost_read(descriptor, buffer.baseAddress, count)
            initialized = max(0, Int(result))
        }
        guard result >= 0 else { throw Errno(rawValue: Int32(-result)) }
        return bytes
    }

    private static let interrupted: Int64 = 4
}

extension FileBytes {
    /// Opens a file for reading; the descriptor stays open until the process ends.
    public static func open(_ path: String) throws(HostError) -> Int32 {
        do {
            return try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec).rawValue
        } catch {
            throw HostError("open", path, errno: (error as? Errno) ?? .ioError)
        }
    }

    /// Creates a file, or empties one that is there; the descriptor stays open until the process ends.
    public static func create(_ path: String) throws(HostError) -> Int32 {
        do {
            let options: FileDescriptor.OpenOptions = [.create, .truncate, .closeOnExec]
            return try FileDescriptor.open(
                FilePath(path), .writeOnly, options: options, permissions: [.ownerReadWrite, .groupRead, .otherRead]
            ).rawValue
        } catch {
            throw HostError("open", path, errno: (error as? Errno) ?? .ioError)
        }
    }
}

extension HostError {
    /// Whether a file held more than was wanted of it.
    public var isFileTooLarge: Bool {
        errno == .fileTooLarge
    }
}
