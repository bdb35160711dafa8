import DumpCheck
import Fuzzing
import Layouts

/// Any bytes at all as the text of a dump: what lspci prints, and what the kernel logs.
@_cdecl("fuzzer")
public func fuzzer() {
    fuzz { bytes in DumpCheck.check(TextDumpReader.read(bytes)) }
}
