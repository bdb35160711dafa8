import DumpCheck
import Fuzzing
import Layouts

/// Fuzzes the reader of text dumps with any bytes: the output of lspci, and the kernel's log.
@_cdecl("fuzzer")
public func fuzzer() {
    fuzz { bytes in DumpCheck.check(TextDumpReader.read(bytes)) }
}
