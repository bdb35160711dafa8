/// The limits that the kernel sets for this process, read from files under /proc. A limit is nil if the files do not tell it.
public enum KernelLimits {
    /// The number of mapped areas that the address space may have (`vm.max_map_count`).
    public static var mappedAreas: Int? {
        (try? readTextFile("/proc/sys/vm/max_map_count")).flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// The number of descriptors that the process may have open: the soft limit in `/proc/self/limits`.
    public static var openFiles: Int? { soft("Max open files").map { Int(clamping: $0) } }

    /// The number of bytes that the process may pin. It is also nil if there is no limit, such as with the capability CAP_IPC_LOCK.
    public static var lockedMemory: UInt64? {
        let ipcLock: UInt64 = 1 << 14
        let capabilities = (try? KernelFigures.ofProcess())?.words("CapEff")?.first.flatMap { UInt64($0, radix: 16) }
        guard (capabilities ?? 0) & ipcLock == 0 else { return nil }
        return soft("Max locked memory").flatMap { $0 == .max ? nil : $0 }
    }

    /// Returns the memory limit of a control group in bytes, and the bytes that are left of it. The group is this process's group
    /// or one above it: of those with a limit, the one with the fewest bytes left. Returns nil if none of these groups has a limit.
    public static func controlGroup() -> (limit: UInt64, left: UInt64)? {
        controlGroup { try? readTextFile($0) }
    }

    /// Returns what `controlGroup()` returns, but reads files through `read`.
    ///
    /// - Parameter read: Returns the contents of a file, or nil if the file cannot be read.
    static func controlGroup(read: (String) -> String?) -> (limit: UInt64, left: UInt64)? {
        var found: (limit: UInt64, left: UInt64)?
        for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
            // The line of a version 2 hierarchy names no controllers. In version 1 the memory controller has a hierarchy of its
            // own.
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[1].isEmpty || fields[1].split(separator: ",").contains("memory") else {
                continue
            }
            let (root, limitFile, useFile) =
                fields[1].isEmpty
                ? ("/sys/fs/cgroup", "memory.max", "memory.current")
                : ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            let parts = fields[2].split(separator: "/")
            for count in 0...parts.count {
                let path = ([root] + parts.prefix(count).map(String.init)).joined(separator: "/")
                func number(_ file: String) -> UInt64? {
                    read("\(path)/\(file)").flatMap { UInt64($0.prefix { $0.isNumber }) }
                }
                guard let limit = number(limitFile) else { continue }
                let left = limit - min(limit, number(useFile) ?? 0)
                if left < found?.left ?? .max { found = (limit, left) }
            }
        }
        return found
    }

    /// Returns a soft limit of this process by its name, or `.max` if it is unlimited.
    private static func soft(_ name: String) -> UInt64? {
        let lines = (try? readTextFile("/proc/self/limits"))?.split(separator: "\n") ?? []
        guard let line = lines.first(where: { $0.hasPrefix(name) }) else { return nil }
        let value = line.dropFirst(name.count).split(separator: " ").first
        return value == "unlimited" ? .max : value.flatMap { UInt64($0) }
    }
}
