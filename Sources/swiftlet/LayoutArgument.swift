import ArgumentParser
import FoundationEssentials
import Host
import Layouts
import PCI

/// What names a layout: a preset, or a file.
struct LayoutArgument {
    let name: String

    /// A layout file is text that people write; more than this is none.
    private static let largestFile = 16 << 20

    func load() throws -> Layout {
        guard name.contains("/") || name.contains(".") else {
            guard let layout = Layout.preset(name) else {
                throw failure(
                    "there is no layout `\(name)`: `swiftlet layout --list` shows the presets, and a file is named with a slash "
                        + "or a dot (./\(name))", status: ExitStatus.usage)
            }
            return layout
        }
        let bytes: [UInt8]
        do { bytes = try readFile(name, limit: Self.largestFile) } catch {
            throw failure("cannot read the layout: \(error)", status: ExitStatus.badInput)
        }
        do {
            let layout = try Layout(JSONDecoder().decode(CheckedLayoutFile.self, from: Data(bytes)).file)
            for function in layout.functions {
                do { try function.description.validate() } catch {
                    throw failure("\(name): \(function.address): \(error)", status: ExitStatus.badInput)
                }
            }
            return layout
        } catch let error as ExitCode {
            throw error
        } catch {
            throw failure("\(name): \(Self.describe(error))", status: ExitStatus.badInput)
        }
    }

    private static func describe(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context): "\(path(context, key)) is missing"
        case DecodingError.typeMismatch(_, let context): "\(path(context)): \(context.debugDescription)"
        case DecodingError.valueNotFound(_, let context): "\(path(context)) has no value"
        case DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty: "not valid JSON"
        case DecodingError.dataCorrupted(let context): "\(path(context)): \(context.debugDescription)"
        default: "\(error)"
        }
    }

    /// The key as people would write it: `functions[2].bars[0].size`.
    private static func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
        let keys = context.codingPath + (last.map { [$0] } ?? [])
        let text = keys.reduce("") { path, key in
            key.intValue.map { "\(path)[\($0)]" } ?? (path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)")
        }
        return text.isEmpty ? "the file" : text
    }
}
