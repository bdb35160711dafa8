internal import SystemPackage

/// Figures that the kernel gives as `Name:  123 kB` lines under /proc.
public struct KernelFigures: Sendable {
    private let lines: [Substring]

    /// Of this process: VmHWM, RssShmem and others (`/proc/self/status`).
    public static func ofProcess() throws(HostError) -> KernelFigures {
        try KernelFigures(path: "/proc/self/status")
    }

    /// Of the host: MemAvailable, VmallocUsed, Slab and others (`/proc/meminfo`).
    public static func ofHost() throws(HostError) -> KernelFigures {
        try KernelFigures(path: "/proc/meminfo")
    }

    /// Opens the files about this process, which are read by these descriptors from then on, also where no file can be opened any more.
    ///
    /// - Parameter ofHost: Whether those by which a machine learns how much memory the host has left are opened as well.
    static func keepOpen(ofHost: Bool) {
        func keep(_ path: String) {
            // Without /proc whoever asks for figures is told.
            guard let number = try? FileBytes.open(path) else { return }
            kept.withLock { $0[path] = number }
        }
        for path in ["/proc/self/status", "/proc/self/smaps"] { keep(path) }
        guard ofHost else { return }
        for path in ["/proc/meminfo"] + translationParameters { keep(path) }
        _ = KernelLimits.controlGroup { path in
            keep(path)
            return try? readTextFile(path)
        }
    }

    /// The files in which modules of KVM say whether they use two-dimensional paging.
    public static let translationParameters = [
        "/sys/module/kvm_intel/parameters/ept", "/sys/module/kvm_amd/parameters/npt",
    ]

    fileprivate static let kept = Lock<[String: Int32]>([:])

    private init(path: String) throws(HostError) {
        lines = try readTextFile(path).split(separator: "\n")
    }

    /// The figure in bytes, or nil where the kernel does not give it.
    public func bytes(_ name: String) -> UInt64? {
        for line in lines where line.hasPrefix("\(name):") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            return words.count == 3 ? UInt64(words[1]).map { $0 * 1024 } : nil
        }
        return nil
    }
}

/// The contents of a small text file.
func readTextFile(_ path: String) throws(HostError) -> String {
    String(decoding: try readFile(path), as: UTF8.self)
}

/// The bytes of a file, or HostError with the call that failed.
///
/// - Parameters:
///   - limit: A file of more bytes throws EFBIG. The rest of it is not read.
///   - waits: Whether a FIFO that nobody writes to is waited for. Otherwise it is empty.
public func readFile(_ path: String, limit: Int = .max, waits: Bool = true) throws(HostError) -> [UInt8] {
    var call = "open"
    do {
        let kept = KernelFigures.kept.withLock { $0[path] }.map { FileDescriptor(rawValue: $0) }
        let file =
            try kept ?? openForReading(path, options: waits ? .closeOnExec : [.closeOnExec, .nonBlocking])
        call = "read"
        try kept?.seek(offset: 0, from: .start)
        defer { if kept == nil { try? file.close() } }
        do {
            var bytes: [UInt8] = []
            while true {
                let chunk = try FileBytes.readOrThrow(upTo: 1 << 16, from: file)
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
    do { return try FileDescriptor.open(FilePath(path), .readOnly, options: options) } catch {
        // A socket cannot be opened a second time. ssh gives one to the commands that it runs.
        guard path == "/dev/stdin" else { throw error }
        return try FileDescriptor.standardInput.duplicate()
    }
}
