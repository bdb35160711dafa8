import DumpCheck
import Fuzzing
import Layouts

/// Fuzzes the reader of sysfs with any bytes as the files of a function. The first byte says which files exist. The next two
/// bytes are the length of the file `config`, which follows them. The rest is the contents of every other file.
@_cdecl("fuzzer")
public func fuzzer() {
    fuzz { bytes in
        guard bytes.count >= 3 else { return }
        let count = min(Int(bytes[1]) << 8 | Int(bytes[2]), bytes.count - 3)
        let (config, rest) = (Array(bytes[3..<3 + count]), Array(bytes[(3 + count)...]))
        var files: [String: [UInt8]] = [:]
        for (bit, name) in SysfsReader.files.enumerated() where bytes[0] >> UInt8(bit) & 1 == 1 {
            files[name] = name == "config" ? config : rest
        }
        var reader = SysfsReader()
        reader.add(directory: "0000:03:00.0", files: files)
        DumpCheck.check(reader.result)
    }
}
