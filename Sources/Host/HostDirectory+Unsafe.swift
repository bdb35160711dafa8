internal import Glibc
internal import SystemPackage

/// Directories and links of the host's file system.
public enum HostDirectory {
    /// Returns the names in a directory, sorted, or nil if it cannot be read.
    public static func names(in path: String) -> [String]? {
        // SAFETY: the stream is open from here to the end of the function, and an entry is copied before the next is asked for.
        guard let stream = unsafe opendir(path) else { return nil }
        defer { unsafe _ = closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let capacity = unsafe MemoryLayout.size(ofValue: entry.pointee.d_name)
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                unsafe name.withMemoryRebound(to: CChar.self, capacity: capacity) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Returns the last part of what a symbolic link names, or nil if there is no such link.
    public static func linkedName(_ path: String) -> String? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        // SAFETY: the call writes at most the array's size, and says how much.
        let count = unsafe max(0, readlink(path, &target, target.count))
        return target[..<count].map { UInt8(bitPattern: $0) }.split(separator: UInt8(ascii: "/")).last.map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// Returns whether this process may read and write a file, or nil if there is no such file.
    public static func isWritable(_ path: String) -> Bool? {
        // SAFETY: the calls read the string, which outlives them.
        unsafe access(path, F_OK) == 0 ? unsafe access(path, R_OK | W_OK) == 0 : nil
    }
}
