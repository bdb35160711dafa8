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
            throw failure("\(name): \(describeDecoding(error))", status: ExitStatus.badInput)
        }
    }
}
