import FoundationEssentials
import Host
import Laboratory
import Machine

/// The writer of a fuzzer's record. It writes each line as a JSON object.
final class RecordWriter {
    /// The size at which a record ends, in bytes. A last line says that the record was cut off.
    static let largestFile = 64 << 20

    private let file: OutputFile
    private var size = 0
    private var buffer: [UInt8] = []
    private var isCut = false

    init(_ file: OutputFile) { self.file = file }

    func write(_ line: FuzzRecordLine) throws(MachineError) {
        guard !isCut else { return }
        do {
            var bytes = try encodeJSON(line)
            size += bytes.count
            if size > Self.largestFile {
                isCut = true
                bytes = try encodeJSON(FuzzRecordLine.cut)
            }
            buffer += bytes
        } catch {
            throw .experiment("the record cannot be encoded: \(error)")
        }
        if buffer.count > 1 << 16 { try flush() }
    }

    /// Writes the rest, and puts the file in its place.
    func finish() throws {
        try write(.end)
        try flush()
        try file.finish()
        if isCut { complain("the record ends at \(Self.largestFile >> 20) MiB; the run went on") }
    }

    private func flush() throws(MachineError) {
        if let error = FileBytes.write(buffer, to: file.descriptor).error {
            throw .experiment("the record could not be written: \(error)")
        }
        buffer = []
    }
}

extension InputFile {
    /// Reads the lines of a record. Returns nil if the file is not a record.
    func recordLines() throws -> [FuzzRecordLine]? {
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        let decoder = JSONDecoder()
        guard let first = lines.first, case .header? = try? decoder.decode(FuzzRecordLine.self, from: Data(first))
        else { return nil }
        let read = try zip(1..., lines).map { number, line in
            do { return try decoder.decode(FuzzRecordLine.self, from: Data(line)) } catch {
                throw failure("\(path): line \(number): \(Self.describe(error))", .badInput)
            }
        }
        switch read.last {
        case .end?, .cut?: return read
        default:
            throw failure(
                "\(path): the end of the record is missing behind line \(read.count): record it again", .badInput)
        }
    }
}
