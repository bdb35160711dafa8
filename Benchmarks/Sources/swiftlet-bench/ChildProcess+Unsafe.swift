internal import Floor
internal import Glibc

/// A process that has run to its end.
struct ChildProcess {
    /// The seconds from before its start to its first byte on standard output.
    let firstByte: Double
    /// The seconds from before its start to its end.
    let end: Double
    /// The seconds of processor time that it took.
    let processor: Double
    /// The text that it wrote to standard error.
    let report: String
    /// The first 4096 bytes that it wrote to standard output.
    let output: String
    let hasSucceeded: Bool

    /// Runs an executable. The first argument is its path.
    init(_ arguments: [String]) {
        var child = floor_child()
        // SAFETY: the C strings and the array, which ends in NULL, live through the call; then the strings are freed.
        var pointers = unsafe arguments.map { unsafe strdup($0) } + [nil]
        unsafe floor_spawn(&pointers, &child)
        for index in unsafe pointers.indices {
            unsafe free(pointers[index])
        }
        firstByte = Double(child.first_byte) / 1e9
        end = Double(child.end) / 1e9
        processor = Double(child.processor) / 1e9
        hasSucceeded = child.status == 0
        // SAFETY: both texts end in a zero byte.
        report = unsafe withUnsafeBytes(of: &child.report) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        output = unsafe withUnsafeBytes(of: &child.output) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

/// Writes to standard output without a buffer.
func printOut(_ text: String) {
    var text = text
    // SAFETY: the bytes live through the call.
    text.withUTF8 { bytes in _ = unsafe write(STDOUT_FILENO, bytes.baseAddress, bytes.count) }
}
