import Host

/// The file that an option names. It is opened, and emptied, before the long work begins: a name that cannot be written is told at
/// once.
struct OutputFile {
    let descriptor: Int32
    private let option: String

    /// For text; `-` is standard error.
    init(_ path: String, for option: String) throws {
        guard !path.isEmpty else {
            throw failure("\(option) needs the name of a file, or - for standard error", .usage)
        }
        self.option = option
        descriptor = path == "-" ? FileBytes.standardError : try Self.create(path, option)
    }

    /// For a picture, which has to have a name.
    init(picture path: String, for option: String) throws {
        guard path != "-", !path.isEmpty else {
            throw failure("\(option) needs the name of a file, such as picture.svg", .usage)
        }
        self.option = option
        descriptor = try Self.create(path, option)
    }

    private static func create(_ path: String, _ option: String) throws -> Int32 {
        do { return try FileBytes.create(path) } catch {
            throw failure("\(option) cannot be written: \(error)", .hostError)
        }
    }

    func write(_ text: String) throws {
        try write(Array(text.utf8))
    }

    func write(_ bytes: [UInt8]) throws {
        guard FileBytes.write(bytes, to: descriptor) else {
            throw failure("\(option) could not be written: is the disk full?", .hostError)
        }
    }
}
