/// Limits that the kernel sets for a process, as files under /proc tell them; nil where they do not.
public enum KernelLimits {
    /// Areas of its address space (`vm.max_map_count`).
    public static var mappedAreas: Int? {
        (try? readTextFile("/proc/sys/vm/max_map_count")).flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// Descriptors that it may have open: the soft limit (`/proc/self/limits`).
    public static var openFiles: Int? { soft("Max open files").map { Int(clamping: $0) } }

    /// Bytes that it may pin; nil also where nothing limits them, which the capability CAP_IPC_LOCK lifts.
    public static var lockedMemory: UInt64? {
        let ipcLock: UInt64 = 1 << 14
        let name = "CapEff:"
        let lines = (try? readTextFile("/proc/self/status"))?.split(separator: "\n") ?? []
        let capabilities = lines.first { $0.hasPrefix(name) }.flatMap {
            UInt64($0.dropFirst(name.count).drop { $0 == "\t" || $0 == " " }, radix: 16)
        }
        guard (capabilities ?? 0) & ipcLock == 0 else { return nil }
        return soft("Max locked memory").flatMap { $0 == .max ? nil : $0 }
    }

    /// The memory of this process's control group, or of the one around it that has the least left; nil where none has a limit.
    ///
    public static func controlGroup() -> (limit: UInt64, left: UInt64)? {
        controlGroup { try? readTextFile($0) }
    }

    /// - Parameter read: Returns the contents of a file, or nil if it cannot be read.
    static func controlGroup(read: (String) -> String?) -> (limit: UInt64, left: UInt64)? {
        var found: (limit: UInt64, left: UInt64)?
        for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
            // A hierarchy of version 2 has no controllers in its line, and one of version 1 has a directory of its own.
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

    /// A soft limit of this process by its name; `.max` where it is unlimited.
    private static func soft(_ name: String) -> UInt64? {
        let lines = (try? readTextFile("/proc/self/limits"))?.split(separator: "\n") ?? []
        guard let line = lines.first(where: { $0.hasPrefix(name) }) else { return nil }
        let value = line.dropFirst(name.count).split(separator: " ").first
        return value == "unlimited" ? .max : value.flatMap { UInt64($0) }
    }
}
