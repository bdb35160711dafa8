/// Limits that the kernel sets for a process, as files under /proc tell them; nil where they do not.
public enum KernelLimits {
    /// Areas of its address space (`vm.max_map_count`).
    public static var mappedAreas: Int? {
        (try? readTextFile("/proc/sys/vm/max_map_count")).flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// Descriptors that it may have open: the soft limit (`/proc/self/limits`).
    public static var openFiles: Int? {
        let name = "Max open files"
        let lines = (try? readTextFile("/proc/self/limits"))?.split(separator: "\n") ?? []
        guard let line = lines.first(where: { $0.hasPrefix(name) }) else { return nil }
        let value = line.dropFirst(name.count).split(separator: " ").first
        return value == "unlimited" ? .max : value.flatMap { Int($0) }
    }
}
