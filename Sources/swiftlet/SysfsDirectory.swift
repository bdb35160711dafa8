import FoundationEssentials
import Host

/// The files of PCI functions in a directory: `/sys/bus/pci/devices`, or a copy of it.
struct SysfsDirectory {
    struct Function {
        let name: String
        let config: [UInt8]?
        let resource: [UInt8]?
    }

    /// In the order of their names; nil where the path is no directory.
    let functions: [Function]?

    init(_ path: String) {
        functions = try? FileManager.default.contentsOfDirectory(atPath: path).sorted().map { name in
            // A file of either kind has at most a few kilobytes.
            Function(
                name: name, config: try? readFile("\(path)/\(name)/config", limit: 1 << 16),
                resource: try? readFile("\(path)/\(name)/resource", limit: 1 << 16))
        }
    }
}
