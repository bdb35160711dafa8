import Layouts

/// The functions of a layout with their mapped and trapped pieces: `21:00.0 3 1`.
func rows(_ layout: Layout) -> [String] {
    (try? Plan(layout))?.functions.map { "\($0.address) \($0.mapped) \($0.trapped)" } ?? []
}

extension DumpSelection {
    /// All functions and no bridges.
    static var flat: DumpSelection {
        var selection = DumpSelection()
        selection.isFlat = true
        return selection
    }
}

/// Reads a dump that is text. The warnings are those that are neither about room for virtual functions, whose sizes no lspci tells, nor about
/// the bridges that dumps in tests lack.
func read(
    _ text: String, _ selection: DumpSelection = DumpSelection()
) throws -> (layout: Layout, warnings: [DumpWarning]) {
    let (layout, warnings) = try readAll(text, selection)
    return (
        layout,
        warnings.filter { warning in
            !["no addresses are kept", "no bridge leads", "how many ports"].contains(
                where: warning.reason.text.contains)
        }
    )
}

/// Reads a dump that is text, with all warnings.
func readAll(
    _ text: String, _ selection: DumpSelection = DumpSelection()
) throws -> (layout: Layout, warnings: [DumpWarning]) {
    try Layout.read(TextDumpReader.read(Array(text.utf8)), name: "test", selection: selection)
}
