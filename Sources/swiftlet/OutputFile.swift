import Host

/// The file that an option names. It is opened, and emptied, before the long work begins: a name that cannot be written is told at
/// once.
struct OutputFile {
    let descriptor: Int32
    private let option: String

    /// Opens the file. For text `-` is standard error; a picture has to have a name.
    init(_ path: String, for option: String, isPicture: Bool = false) throws {
        guard !path.isEmpty, path != "-" || !isPicture else {
            let way = isPicture ? ", such as picture.svg" : ", or - for standard error"
            throw failure("\(option) needs the name of a file\(way)", .usage)
        }
        self.option = option
        do { descriptor = path == "-" ? FileBytes.standardError : try FileBytes.create(path) } catch {
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
