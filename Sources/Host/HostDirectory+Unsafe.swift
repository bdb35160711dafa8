internal import Glibc
internal import SystemPackage

/// Directories and links of the host's file system.
public enum HostDirectory {
    /// Returns the names of the entries of a directory, sorted, or nil if the directory cannot be read.
    public static func names(in path: String) -> [String]? {
        // SAFETY: the stream is open until the end of the function, and each entry is copied before the next one is read.
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

    /// Returns the last component of a symbolic link's target, or nil if there is no such link.
    public static func linkedName(_ path: String) -> String? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        // SAFETY: the call writes at most as many bytes as the array has, and returns how many it wrote.
        let count = unsafe max(0, readlink(path, &target, target.count))
        return target[..<count].map { UInt8(bitPattern: $0) }.split(separator: UInt8(ascii: "/")).last.map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// Returns whether this process may read and write a file, or nil if the file does not exist.
    public static func isWritable(_ path: String) -> Bool? {
        // SAFETY: the calls read the string, which outlives them.
        unsafe access(path, F_OK) == 0 ? unsafe access(path, R_OK | W_OK) == 0 : nil
    }
}
