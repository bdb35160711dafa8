internal import CHost
internal import Glibc
internal import Synchronization

/// A file that is written beside the file whose name it gets once it is whole. Until then, and if it never is, that file stays as it
/// was. The end of the process by a signal removes what is not whole.
public final class ReplacementFile: Sendable {
    /// The descriptor to write to. It is open until `commit`, and otherwise as long as the process: a thread that was left behind may
    /// still use it.
    public let descriptor: Int32
    private let path: String
    private let temporary: String
    private let isCommitted = Atomic(false)

    /// Creates the new file. It has the permissions of the old one.
    public init(replacing path: String) throws(HostError) {
        let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let name = ".swiftlet-" + String(UInt64.random(in: .min ... .max), radix: 36)
        self.path = path
        temporary = path.contains("/") ? "\(directory)/\(name)" : name
        // SAFETY: the calls read the strings, which outlive them.
        descriptor = try unsafe check(chost_create_beside(path, temporary), "open", path)
    }

    deinit {
        if !isCommitted.load(ordering: .relaxed) {
            // SAFETY: as above.
            unsafe chost_remove_temporary(temporary)
        }
    }

    /// Gives the file its name. Throws if the last bytes could not be written, and leaves the old file then.
    public func commit() throws(HostError) {
        // SAFETY: as above.
        try unsafe check(chost_commit(descriptor, temporary, path), "rename", path)
        isCommitted.store(true, ordering: .relaxed)
    }
}

/// What tells two names of one regular file from the names of two.
public struct FileIdentity: Hashable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    /// The last part of the name of a file that is still to be made, in the directory that the numbers are those of.
    private let name: String?

    private init?(_ status: stat, name: String? = nil) {
        guard status.st_mode & S_IFMT == (name == nil ? S_IFREG : S_IFDIR) else { return nil }
        (device, inode, self.name) = (UInt64(status.st_dev), UInt64(status.st_ino), name)
    }

    /// The identity of the file of a local socket, or nil if there is none.
    init?(socketAt path: String) {
        var status = stat()
        // SAFETY: the call fills the structure, and reads the string.
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
        (device, inode, name) = (UInt64(status.st_dev), UInt64(status.st_ino), nil)
    }

    /// The identity of the regular file that a name leads to, or would have; nil where it leads to something else or nowhere.
    public init?(path: String) {
        var status = stat()
        // SAFETY: the call fills the structure, and reads the string.
        if unsafe stat(path, &status) == 0 {
            self.init(status)
            return
        }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let directory = path.contains("/") ? parts.dropLast().joined(separator: "/") + "/" : "."
        // SAFETY: as above.
        guard let name = parts.last, unsafe stat(directory, &status) == 0 else { return nil }
        self.init(status, name: String(name))
    }

    /// The identity of the regular file behind a descriptor, or nil.
    public init?(descriptor: Int32) {
        var status = stat()
        // SAFETY: as above.
        guard unsafe fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }
}

/// What a name leads to.
public enum FileKind: Sendable {
    case none
    case regular
    case symbolicLink
    /// A device, a pipe or a socket, which is written to as it is.
    case stream
    case directory

    /// Looks at a name, and does not follow it.
    public init(of path: String) {
        var status = stat()
        // SAFETY: the call fills the structure, and reads the string.
        guard unsafe lstat(path, &status) == 0 else {
            self = .none
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: self = .regular
        case S_IFLNK: self = .symbolicLink
        case S_IFDIR: self = .directory
        default: self = .stream
        }
    }
}
