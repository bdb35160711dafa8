import Host

/// The file that `--plot` names, opened before the long work begins: a name that cannot be written is told at once.
struct PlotFile {
    private let descriptor: Int32

    init(_ path: String) throws {
        guard path != "-" else {
            throw failure("--plot needs the name of a file, such as fill.svg", status: ExitStatus.usage)
        }
        do { descriptor = try FileBytes.create(path) } catch {
            throw failure("cannot write the plot: \(error)", status: ExitStatus.hostError)
        }
    }

    func write(_ svg: String) throws {
        try emit(Array(svg.utf8), to: descriptor)
    }
}
