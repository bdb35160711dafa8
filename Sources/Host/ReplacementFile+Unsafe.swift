internal import CHost
internal import Glibc
internal import Synchronization

/// A file that is to replace another one. It is written under a temporary name beside the old file, and gets the old file's name
/// once it is complete. Until then, and if it is never complete, the old file stays as it was. If a signal ends the process, the
/// incomplete file is removed.
public final class ReplacementFile: Sendable {
    /// The descriptor to write to. It is open until `commit`. Without a commit it stays open until the process ends, because a
    /// thread that was left behind may still use it.
    public let descriptor: Int32
    private let path: String
    private let temporary: String
    private let isCommitted = Atomic(false)

    /// Creates the new file with the permissions of the old one.
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
            // SAFETY: the call reads the string, which outlives it.
            unsafe chost_remove_temporary(temporary)
        }
    }

    /// Gives the new file the name of the old one. If the last bytes could not be written, throws and leaves the old file as it is.
    public func commit() throws(HostError) {
        // SAFETY: the call reads the strings, which outlive it.
        try unsafe check(chost_commit(descriptor, temporary, path), "rename", path)
        isCommitted.store(true, ordering: .relaxed)
    }
}

/// The identity of a file: equal for two names of one file, and different for two files.
public struct FileIdentity: Hashable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    /// The last component of the path, if the file does not exist yet. The numbers of the identity are then those of the directory.
    private let name: String?

    private init?(_ status: stat, name: String? = nil) {
        guard status.st_mode & S_IFMT == (name == nil ? S_IFREG : S_IFDIR) else { return nil }
        (device, inode, self.name) = (UInt64(status.st_dev), UInt64(status.st_ino), name)
    }

    /// Finds the identity of a local socket's file. Returns nil if there is no such file.
    init?(socketAt path: String) {
        var status = stat()
        // SAFETY: the call fills the structure and reads the string.
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
        (device, inode, name) = (UInt64(status.st_dev), UInt64(status.st_ino), nil)
    }

    /// Finds the identity of the regular file to which a name leads, or which would be created under that name. Returns nil if the
    /// name leads to something else or nowhere.
    public init?(path: String) {
        var status = stat()
        // SAFETY: the call fills the structure and reads the string.
        if unsafe stat(path, &status) == 0 {
            self.init(status)
            return
        }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let directory = path.contains("/") ? parts.dropLast().joined(separator: "/") + "/" : "."
        // SAFETY: the call fills the structure and reads the string.
        guard let name = parts.last, unsafe stat(directory, &status) == 0 else { return nil }
        self.init(status, name: String(name))
    }

    /// Finds the identity of the regular file behind a descriptor. Returns nil if there is no regular file behind it.
    public init?(descriptor: Int32) {
        var status = stat()
        // SAFETY: the call fills the structure.
        guard unsafe fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }
}

/// The kind of file to which a name leads.
public enum FileKind: Sendable {
    /// There is no file of that name.
    case none
    /// An ordinary file. Output replaces it.
    case regular
    /// A symbolic link, wherever it leads.
    case symbolicLink
    /// A device, a pipe or a socket. Output goes to it directly and does not replace it.
    case stream
    /// A directory, to which nothing can be written.
    case directory

    /// Looks up the kind of a file. Does not follow a symbolic link.
    public init(of path: String) {
        var status = stat()
        // SAFETY: the call fills the structure and reads the string.
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
