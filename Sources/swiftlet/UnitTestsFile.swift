import Host
import KVM

/// The list of tests that comes with kvm-unit-tests, `unittests.cfg`: sections of `key = value`.
struct UnitTestsFile {
    private var sections: [(name: String, values: [String: String])] = []

    /// The error for a line that cannot be read.
    struct BadLine: Error {
        /// The number of the line, counted from 1.
        let number: Int
        /// The mistake, in words that follow the text of the line.
        var mistake = "is neither `[name]`, nor `key = value` below one"
        let text: String
    }

    init(_ text: String) throws(BadLine) {
        // The key whose value continues until the next `"""`, and the line with which it begins. Nil outside such a value.
        var open: (key: String, line: BadLine)?
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map { $0.trimmed }
        for (number, line) in lines.enumerated() where !line.isEmpty && (open != nil || !line.hasPrefix("#")) {
            if let (key, _) = open, let last = sections.indices.last {
                sections[last].values[key, default: ""] += " " + line.replacing("\"\"\"", with: "")
                if line.contains("\"\"\"") { open = nil }
                continue
            }
            if line.hasPrefix("["), let end = line.firstIndex(of: "]"), line.dropFirst().first != "]" {
                sections.append((String(line[..<end].dropFirst()), [:]))
            } else if !line.hasPrefix("["), let equals = line.firstIndex(of: "="), let last = sections.indices.last {
                var key = String(line[..<equals]).trimmed
                // It is not known which of two values counts. Nothing knows this key, so the test is skipped for it.
                if sections[last].values[key] != nil { key += ", twice" }
                let quotes = line.ranges(of: "\"\"\"").count
                if quotes == 1 {
                    open = (key, BadLine(number: number + 1, mistake: "has a `\"\"\"` without an end", text: line))
                }
                sections[last].values[key] = String(line[equals...].dropFirst()).replacing("\"\"\"", with: "").trimmed
            } else {
                throw BadLine(number: number + 1, text: line)
            }
        }
        if let open { throw open.line }
    }

    /// Returns the tests. Their kernels lie in `directory`.
    func tests(in directory: String) -> [SuiteTest] {
        sections.map { name, values in
            var test = SuiteTest(
                name: name, directory: directory, guest: "./\(values["file"] ?? "")",
                timeout: values["timeout"].flatMap(Duration.init(argument:)),
                groups: Self.words(values["groups"] ?? "") ?? [],
                expectation: .unitTest)
            do throws(Skip) {
                for (key, isRight) in [
                    // A timeout of 0 is none.
                    ("timeout", test.timeout != nil || values["timeout"].flatMap(Double.init) == 0),
                    ("groups", Self.words(values["groups"] ?? "") != nil),
                    ("check", Self.words(values["check"] ?? "") != nil),
                ] {
                    if let value = values[key], !isRight { throw Skip(reason: "\(key) = \(value)") }
                }
                test.options = try Self.options(values)
                try Self.checkHost(values, directory)
            } catch {
                test.skipped = error.reason
            }
            return test
        }
    }

    /// The reason why a test is not run.
    private struct Skip: Error { let reason: String }

    private static func checkHost(_ values: [String: String], _ directory: String) throws(Skip) {
        guard let file = values["file"] else { throw Skip(reason: "no file is named") }
        if let arch = values["arch"], arch != "x86_64" { throw Skip(reason: "\(arch) only") }
        if let accel = values["accel"], accel != "kvm" { throw Skip(reason: "\(accel) only") }
        for check in words(values["check"] ?? "") ?? [] {
            let sides = check.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let found = try? readFile(sides[0], limit: 4096, waits: false)
            guard sides.count == 2, let found, String(decoding: found, as: UTF8.self).trimmed == sides[1] else {
                throw Skip(reason: "\(sides[0]) is not \(sides.dropFirst().first ?? "there")")
            }
        }
        guard HostDirectory.isWritable("\(directory)/\(file)") != nil else {
            throw Skip(reason: "\(file) is not built")
        }
    }

    /// Returns the options of `swiftlet run` that mean the same as the section. QEMU's PC has a timer and the test device, so
    /// they are added.
    private static func options(_ values: [String: String]) throws(Skip) -> [String] {
        let known = [
            "file", "smp", "arch", "timeout", "groups", "check", "accel", "test_args", "qemu_params", "extra_params",
        ]
        if let key = values.keys.sorted().first(where: { !known.contains($0) }) {
            throw Skip(reason: "the key `\(key)` is not supported")
        }
        for group in ["migration", "panic"] where words(values["groups"] ?? "")?.contains(group) == true {
            throw Skip(reason: "guests of the group \(group) are not supported")
        }
        var options = ["--device", "pci-testdev"]
        if let smp = values["smp"] {
            guard let count = Int(smp), count > 0 else { throw Skip(reason: "smp = \(smp)") }
            options += ["--vcpus", "\(count)"]
        }
        let isShell = { (text: String) in text.contains { "`$".contains($0) } }
        let arguments = values["test_args"] ?? ""
        let parameters = values["qemu_params"] ?? values["extra_params"] ?? ""
        guard !isShell(arguments), !isShell(parameters), let words = words(arguments),
            let parameters = Self.words(parameters)
        else { throw Skip(reason: "only a shell could read the arguments") }
        var append = words.isEmpty ? [] : [words.joined(separator: " ")]
        var (hasTimer, rest) = (true, parameters[...])
        while let option = rest.popFirst() {
            // These two options ask for what Swiftlet always does.
            if ["-enable-kvm", "-no-reboot"].contains(option) { continue }
            let value = rest.popFirst() ?? ""
            switch (option, value) {
            case ("-append", _): append.append(value)
            case ("-m", _) where !value.isEmpty:
                // QEMU counts in MiB unless the value has a unit.
                options += ["--memory", value.allSatisfy(\.isNumber) ? "\(value)M" : value.uppercased()]
            case ("-cpu", _): options += try features(value)
            case ("-machine", "pit=off"), ("-M", "pit=off"): hasTimer = false
            case ("-device", "pci-testdev"): continue
            default: throw Skip(reason: "\(option) \(value) of QEMU has no counterpart")
            }
        }
        return options + (hasTimer ? ["--pit"] : [])
            + (append.isEmpty ? [] : ["--append=\(append.joined(separator: " "))"])
    }

    /// Returns the options that remove the features that a CPU model of QEMU removes. Added features are ignored, because each
    /// is there if KVM has it, and no option could give another one.
    private static func features(_ model: String) throws(Skip) -> [String] {
        var removed: [String] = []
        for (index, part) in model.split(separator: ",").map(String.init).enumerated() {
            if index == 0 ? ["max", "host", "qemu64", "kvm64"].contains(part) : part.hasPrefix("+") { continue }
            if ["host-phys-bits", "migratable=no"].contains(part) { continue }
            guard index > 0, part.hasPrefix("-"), CPUFeature(named: String(part.dropFirst())) != nil else {
                throw Skip(reason: "-cpu \(model) of QEMU has no counterpart")
            }
            removed.append(part)
        }
        return removed.isEmpty ? [] : ["--cpu=\(removed.joined(separator: ","))"]
    }

    /// Splits a text into words as a shell does, which keeps quoted text together. Returns nil if a quotation has no end.
    private static func words(_ text: String) -> [String]? {
        var (words, word, quote) = ([String](), nil as String?, nil as Character?)
        for character in text {
            if let open = quote {
                if character == open { quote = nil } else { word?.append(character) }
            } else if character == "\"" || character == "'" {
                (quote, word) = (character, word ?? "")
            } else if character == " " || character == "\t" {
                if let whole = word { words.append(whole) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        return quote == nil ? words + (word.map { [$0] } ?? []) : nil
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
