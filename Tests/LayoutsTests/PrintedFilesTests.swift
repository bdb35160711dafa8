import Layouts
import Testing

@Suite struct PrintedFilesTests {
    @Test("files in hexadecimal among other lines")
    func files() {
        let text =
            "[ 0.1] Linux\r\n\r\n== 0000:00:01.0 config\r\n86800A\n== 0000:00:01.0 resource\nnothing\n== a b c\n== x y\n\n\n"
        let files = SysfsReader.files(printed: Array(text.utf8))
        #expect(files["0000:00:01.0"]?["config"] == [0x86, 0x80, 0x0a])
        #expect(files.keys.sorted() == ["0000:00:01.0"])
    }

    @Test("any bytes are read", arguments: ["== a b", "== a b\n", "== a b\n0", "== \u{0} \u{0}\n\u{ff}f", "==", ""])
    func anything(text: String) {
        _ = SysfsReader.files(printed: Array(text.utf8) + [0xff, 0xfe])
    }
}
