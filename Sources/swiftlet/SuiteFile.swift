import ArgumentParser
import FoundationEssentials
import Host
import Layouts
import Machine

/// A suite that people write by hand: `{"tests": [{"guest": "./seven.bin", "status": 7}]}`. docs/suite.md lists the keys.
struct SuiteFile: StrictDecodable {
    enum CodingKeys: CodingKey, CaseIterable { case tests }

    let tests: [Strict<Entry>]

    struct Entry: StrictDecodable {
        enum CodingKeys: CodingKey, CaseIterable {
            case name, guest, options, vcpus, timeout, status, outcome, output, groups, skip
        }

        var name: String?
        var guest: String?
        var options: [String]?
        var vcpus: Int?
        var timeout: Time?
        var status: Status?
        var outcome: OutcomeName?
        var output: String?
        var groups: [String]?
        var skip: String?

        func test(_ guest: String, in directory: String, output expected: [UInt8]? = nil) -> SuiteTest {
            SuiteTest(
                name: name ?? guest, directory: directory, guest: guest,
                options: (options ?? []) + (vcpus.map { ["--vcpus", "\($0)"] } ?? []), timeout: timeout?.value,
                groups: groups ?? [], skipped: skip,
                expectation: .end(
                    status: status?.value, outcome: outcome?.value,
                    output: output.map { Array($0.utf8) } ?? expected))
        }
    }

    /// A span of time as on the command line, such as `"500ms"`.
    struct Time: Decodable {
        let value: Duration

        init(from decoder: any Decoder) throws {
            value = try decoder.value(as: "a time, such as \"500ms\" or \"5s\"") { Duration(argument: $0) }
        }
    }

    /// The exit status of a process, from 0 to 255.
    struct Status: Decodable {
        let value: Int32

        init(from decoder: any Decoder) throws {
            value = try decoder.value(as: "an exit status, from 0 to 255") { (0...255).contains($0) ? $0 : nil }
        }
    }

    /// The name of an outcome, as the report of a run has it.
    struct OutcomeName: Decodable {
        let value: String

        private static let names = [
            Outcome.exited(0), .reset, .poweredOff, .panicked(""), .halted, .haltedForGood, .shutdown,
            .internalError(""), .timeout, .stopped, .interrupted(0),
        ].map(\.name)

        init(from decoder: any Decoder) throws {
            let expected = "an outcome, one of \(Self.names.joined(separator: ", "))"
            value = try decoder.value(as: expected) { Self.names.contains($0) ? $0 : nil }
        }
    }
}

extension Decoder {
    /// Reads a value and converts it. If it cannot be converted, the error has its place and what was expected there.
    fileprivate func value<Text: Decodable, Value>(as expected: String, _ make: (Text) -> Value?) throws -> Value {
        func refuse(_ text: String) -> DecodingError {
            .dataCorrupted(
                DecodingError.Context(codingPath: codingPath, debugDescription: "\(text) is not \(expected)"))
        }
        let text: Text
        do { text = try singleValueContainer().decode(Text.self) } catch DecodingError.typeMismatch {
            throw refuse("this")
        }
        guard let value = make(text) else { throw refuse("\(text)") }
        return value
    }
}

/// An object that may have only known keys. Otherwise, a misspelt key would be ignored silently.
protocol StrictDecodable: Decodable {
    associatedtype CodingKeys: CodingKey, CaseIterable
}

/// A reader of a strict object.
struct Strict<Value: StrictDecodable>: Decodable {
    let value: Value

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: LayoutObject.Key.self)
        if let key = values.allKeys.first(where: { Value.CodingKeys(stringValue: $0.stringValue) == nil }) {
            let names = Value.CodingKeys.allCases.map(\.stringValue).joined(separator: ", ")
            throw DecodingError.dataCorruptedError(
                forKey: key, in: values, debugDescription: "unknown key; the known keys are \(names)")
        }
        value = try Value(from: decoder)
    }
}

// MARK: - Finding the tests

extension SuiteTest {
    private static let largestFile = 16 << 20
    private static let guestEndings = [".bin", ".elf", ".flat"]

    /// Reads the tests that a path names: those of a suite file, of a `.cfg` file of kvm-unit-tests, or of a directory.
    static func tests(at path: String) throws -> [SuiteTest] {
        guard let names = HostDirectory.names(in: path) else {
            let file = try InputFile(
                path, kind: "suite", limit: largestFile, remedy: "a suite is, which has 16 MiB at most")
            let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
                separator: "/")
            let place = path.hasPrefix("/") && directory.isEmpty ? "/" : directory.isEmpty ? "." : directory
            if path.hasSuffix(".cfg") {
                do throws(UnitTestsFile.BadLine) {
                    return try UnitTestsFile(String(decoding: file.bytes, as: UTF8.self)).tests(in: place)
                } catch {
                    throw failure(
                        "\(path), line \(error.number): `\(error.text.prefix(60))` \(error.mistake)", .badInput)
                }
            }
            return try file.decoded(as: Strict<SuiteFile>.self).value.tests.map(\.value).enumerated().map {
                index, entry in
                guard let guest = entry.guest else {
                    throw failure("\(path): tests[\(index)].guest is missing", .badInput)
                }
                return entry.test(guest, in: place)
            }
        }
        if names.contains("unittests.cfg") { return try tests(at: "\(path)/unittests.cfg") }
        let guests = names.filter { name in guestEndings.contains { name.hasSuffix($0) } }
        guard !guests.isEmpty else {
            throw failure(
                "\(path) has no guests: a suite in a directory is files that end in .bin, .elf or .flat, or an unittests.cfg",
                .badInput)
        }
        return try guests.map { try test(of: $0, in: path, beside: Set(names)) }
    }

    /// Makes the test of a guest in a directory. `NAME.json` and `NAME.expect` may say more about it.
    private static func test(of guest: String, in directory: String, beside names: Set<String>) throws -> SuiteTest {
        let stem = String(guest[..<(guest.lastIndex(of: ".") ?? guest.endIndex)])
        func read(_ ending: String) throws -> InputFile? {
            guard names.contains(stem + ending) else { return nil }
            return try InputFile("\(directory)/\(stem)\(ending)", kind: "expectation", limit: largestFile)
        }
        var entry = try read(".json")?.decoded(as: Strict<SuiteFile.Entry>.self).value ?? SuiteFile.Entry()
        if entry.guest != nil {
            throw failure("\(directory)/\(stem).json: the guest is \(guest): leave out the key", .badInput)
        }
        entry.name = entry.name ?? stem
        return entry.test("./\(guest)", in: directory, output: try read(".expect")?.bytes)
    }
}
