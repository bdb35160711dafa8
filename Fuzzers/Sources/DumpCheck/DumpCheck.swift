import Fuzzing
public import Layouts
import Memslots
import PCI

/// The checks that every dump must pass: each function is left out with a reason in words, or can be made and counted.
public enum DumpCheck {
    /// Ends the process if the dump does not pass.
    public static func check(_ dump: Dump) {
        var selection = DumpSelection()
        for virtualFunctions in [0, 3] {
            selection.virtualFunctions = virtualFunctions
            do throws(LayoutError) {
                let (layout, warnings) = try Layout.read(dump, name: "dump", selection: selection)
                expect(warnings.allSatisfy { !"\($0)".isEmpty }, "a warning without words")
                check(layout, functionsInDump: dump.functions.count * (1 + virtualFunctions))
                let told = Set(warnings.filter(\.isSkipped).compactMap(\.function) + layout.functions.map(\.source))
                for function in dump.functions where !function.isBridge {
                    expect(told.contains(function.address), "\(function.address) is gone without a word")
                }
            } catch {
                expect(!"\(error)".isEmpty, "an error without words")
            }
        }
    }

    private static func check(_ layout: Layout, functionsInDump: Int) {
        expect(layout.functions.count + layout.bridges <= functionsInDump, "more functions than there are")
        for (left, right) in zip(layout.functions, layout.functions.dropFirst()) {
            expect(left.address < right.address, "\(left.address) and \(right.address) share an address")
        }
        for function in layout.functions {
            do throws(DescriptionError) { try function.description.validate() } catch {
                expect(false, "\(function.address): \(error)")
            }
        }
        guard let plan = try? Plan(layout) else { return }
        // Each mapped piece has one slot. Sharing by neighbours can only save slots.
        expect(plan.separate.count == plan.mapped, "\(plan.separate.count) slots for \(plan.mapped) pieces")
        expect(plan.coalesced.count <= plan.separate.count, "sharing slots takes more of them")
        expect(plan.budgets.allSatisfy { !$0.name.isEmpty }, "a budget without a name")
    }
}
