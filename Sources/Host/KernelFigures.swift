internal import CHost
internal import SystemPackage

/// The figures in a file under /proc, which the kernel gives as lines such as `Name:  123 kB`.
public struct KernelFigures: Sendable {
    private let lines: [Substring]

    /// Reads the figures of this process, such as VmHWM and RssShmem (`/proc/self/status`).
    public static func ofProcess() throws(HostError) -> KernelFigures {
        try KernelFigures(path: "/proc/self/status")
    }

    /// Reads the figures of the host, such as MemAvailable, VmallocUsed and Slab (`/proc/meminfo`).
    public static func ofHost() throws(HostError) -> KernelFigures {
        try KernelFigures(path: "/proc/meminfo")
    }

    /// Opens the files with figures and keeps them open. Figures are then read through these descriptors, also in a jail that lets
    /// no file be opened.
    ///
    /// - Parameter ofHost: Whether to keep open also the files about the host, such as the one about its memory. Otherwise only the
    ///   files about this process are kept open.
    static func keepOpen(ofHost: Bool) {
        func keep(_ path: String) {
            // It is not an error here if a file cannot be opened. A later attempt to read its figures throws.
            guard let number = try? FileBytes.open(path) else { return }
            kept.withLock { $0.append((path, number)) }
        }
        for path in ["/proc/self/status", "/proc/self/smaps"] { keep(path) }
        guard ofHost else { return }
        for path in ["/proc/meminfo"] + translationParameters { keep(path) }
        _ = KernelLimits.controlGroup { path in
            keep(path)
            return try? readTextFile(path)
        }
    }

    /// The files in which the modules of KVM say whether they use two-dimensional paging.
    public static let translationParameters = [
        "/sys/module/kvm_intel/parameters/ept", "/sys/module/kvm_amd/parameters/npt",
    ]

    fileprivate static let kept = Lock<[(path: String, descriptor: Int32)]>([])

    private init(path: String) throws(HostError) {
        lines = try readTextFile(path).split(separator: "\n")
    }

    /// Returns a figure in bytes, or nil if the kernel does not give it.
    public func bytes(_ name: String) -> UInt64? {
        guard let words = words(name), words.count == 2 else { return nil }
        return words.first.flatMap { UInt64($0) }.map { $0 * 1024 }
    }

    /// Returns the words behind a name, or nil if there is no line with this name.
    func words(_ name: String) -> ArraySlice<Substring>? {
        lines.first { $0.hasPrefix("\(name):") }?.split { $0 == " " || $0 == "\t" }.dropFirst()
    }
}

/// Reads a small text file.
func readTextFile(_ path: String) throws(HostError) -> String {
    String(decoding: try readFile(path), as: UTF8.self)
}

/// Reads a file. `/dev/stdin` is the standard input from its present place on.
///
/// - Parameters:
///   - limit: The most bytes that the file may have. A larger file throws EFBIG, and is not read to its end.
///   - waits: Whether to wait for somebody to write to a FIFO or a pipe. Otherwise one without a writer counts as empty, and one
///     without bytes throws EAGAIN.
/// - Throws: An error that names the call that failed: `open` or `read`.
public func readFile(_ path: String, limit: Int = .max, waits: Bool = true) throws(HostError) -> [UInt8] {
    var call = "open"
    do {
        let kept = KernelFigures.kept.withLock { $0.first { $0.path == path } }
            .map { FileDescriptor(rawValue: $0.descriptor) }
        let file =
            try kept ?? openForReading(path, options: waits ? .closeOnExec : [.closeOnExec, .nonBlocking])
        call = "read"
        try kept?.seek(offset: 0, from: .start)
        defer { if kept == nil { try? file.close() } }
        do {
            var bytes: [UInt8] = []
            while true {
                let chunk: [UInt8]
                do { chunk = try FileBytes.readOrThrow(upTo: 1 << 16, from: file) } catch Errno
                    .resourceTemporarilyUnavailable where waits
                {
                    _ = chost_wait_until_ready(file.rawValue, false, -1)
                    continue
                }
                if chunk.isEmpty { return bytes }
                bytes += chunk
                guard bytes.count <= limit else { throw Errno.fileTooLarge }
            }
        }
    } catch {
        throw HostError(call: call, subject: path, errno: (error as? Errno) ?? .ioError)
    }
}

private func openForReading(_ path: String, options: FileDescriptor.OpenOptions) throws -> FileDescriptor {
    // If the standard input were opened by its name, a file would be read from its beginning, and a socket or a file of another user
    // could not be read at all.
    try path == "/dev/stdin" && !options.contains(.nonBlocking)
        ? FileDescriptor.standardInput.duplicate() : FileDescriptor.open(FilePath(path), .readOnly, options: options)
}
