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

    /// Bytes that its control group may use, or those around it: the least of their limits (`memory.max` of version 2).
    public static var controlGroupMemory: UInt64? {
        let groups = (try? readTextFile("/proc/self/cgroup"))?.split(separator: "\n") ?? []
        guard let own = groups.first(where: { $0.hasPrefix("0::/") })?.dropFirst(4) else { return nil }
        let parts = own.split(separator: "/")
        let limits = (0...parts.count).compactMap { count -> UInt64? in
            let path = (["/sys/fs/cgroup"] + parts.prefix(count) + ["memory.max"]).joined(separator: "/")
            return (try? readTextFile(path)).flatMap { UInt64($0.prefix { $0.isNumber }) }
        }
        return limits.min()
    }

    /// A soft limit of this process by its name; `.max` where it is unlimited.
    private static func soft(_ name: String) -> UInt64? {
        let lines = (try? readTextFile("/proc/self/limits"))?.split(separator: "\n") ?? []
        guard let line = lines.first(where: { $0.hasPrefix(name) }) else { return nil }
        let value = line.dropFirst(name.count).split(separator: " ").first
        return value == "unlimited" ? .max : value.flatMap { UInt64($0) }
    }
}
