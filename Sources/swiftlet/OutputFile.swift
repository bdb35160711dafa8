import Host
import Machine

/// The files that the options of a command name. A regular file is replaced when the new one is complete. It stays unchanged if
/// the command fails before.
struct OutputFiles {
    private var uses: [FileIdentity: String] = [:]

    /// Notes the files that the command reads, each with a word for what it is.
    init(inputs: [(path: String, kind: String)] = []) {
        for (number, stream) in ["standard input", "standard output", "standard error"].enumerated() {
            if let identity = FileIdentity(descriptor: Int32(number)) { uses[identity] = stream }
        }
        for (path, kind) in inputs {
            if FileKind(of: path) != .none, let identity = FileIdentity(path: path) { uses[identity] = kind }
        }
    }

    /// Opens the file that an option names, if the option is there. Reports at once if the file cannot be written. For text,
    /// `-` is standard error. A picture must have a name.
    ///
    /// - Parameter endings: The endings of the names of pictures, one for each format. It is empty for text.
    mutating func open(_ path: String?, for option: String, endings: [String] = []) throws -> OutputFile? {
        guard let path else { return nil }
        guard !path.isEmpty, path != "-" || endings.isEmpty else {
            let way = endings.isEmpty ? ", or - for standard error" : ", such as picture.svg"
            throw failure("\(option) needs the name of a file\(way)", .usage)
        }
        let name = path.split(separator: "/").last ?? ""
        if !endings.isEmpty, name.contains("."), !endings.contains(where: { name.hasSuffix(".\($0)") }) {
            let known = endings.map { ".\($0)" }.joined(separator: " or ")
            throw failure("\(option): \(path) is to be a picture, and its name has to end in \(known)", .usage)
        }
        if path == "-" { return OutputFile(.stream(FileBytes.standardError), option) }
        if let number = Self.descriptor(named: path) { return OutputFile(.stream(number), option) }
        if FileKind(of: path) == .symbolicLink, !path.hasPrefix("/dev/") {
            throw failure(
                "\(option): \(path) is a symbolic link, and none is followed: name the file that it leads to", .usage)
        }
        if let identity = FileIdentity(path: path) {
            if let other = uses.updateValue(option, forKey: identity) {
                throw failure("\(option): \(path) is \(other) too: give each a file of its own", .usage)
            }
        }
        do {
            let isStream = [.stream, .symbolicLink].contains(FileKind(of: path))
            let target: OutputFile.Target =
                isStream ? .stream(try FileBytes.openStream(path)) : .file(try ReplacementFile(replacing: path))
            return OutputFile(target, option)
        } catch {
            throw failure("the file of \(option) cannot be written: \(error)", .hostError)
        }
    }

    /// Returns the descriptor that a path stands for, as in shells.
    private static func descriptor(named path: String) -> Int32? {
        switch path {
        case "/dev/stdout": return FileBytes.standardOutput
        case "/dev/stderr": return FileBytes.standardError
        default:
            let prefix = ["/dev/fd/", "/proc/self/fd/"].first { path.hasPrefix($0) }
            return prefix.flatMap { Int32(path.dropFirst($0.count)) }
        }
    }
}

/// A file that an option names.
struct OutputFile {
    fileprivate enum Target {
        case stream(Int32)
        case file(ReplacementFile)
    }

    private let target: Target
    private let option: String

    fileprivate init(_ target: Target, _ option: String) {
        self.target = target
        self.option = option
    }

    var descriptor: Int32 {
        switch target {
        case .stream(let descriptor): descriptor
        case .file(let file): file.descriptor
        }
    }

    /// Writes the whole text, and finishes the file.
    func write(_ text: String) throws {
        try write(Array(text.utf8))
    }

    /// Writes the whole file, and finishes it.
    func write(_ bytes: [UInt8]) throws {
        if let error = FileBytes.write(bytes, to: descriptor).error {
            throw failure("\(option) could not be written: \(error)", .hostError)
        }
        try finish()
    }

    /// Puts the file in its place, after all of it has been written.
    func finish() throws {
        guard case .file(let file) = target else { return }
        do { try file.commit() } catch {
            throw failure("\(option) could not be written: \(error)", .hostError)
        }
    }
}
