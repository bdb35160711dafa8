import Glibc
import Layouts
import Memslots

// Prints what the functions of a machine would need, without KVM: lspci -vvv | swift run --package-path Examples planner
var text: [UInt8] = []
while let line = readLine(strippingNewline: false) { text += line.utf8 }
do {
    let dump = TextDumpReader.read(text)
    let (layout, warnings) = try Layout.read(dump, name: "this machine", selection: DumpSelection())
    let plan = try Plan(layout, policy: .coalesced)
    for warning in warnings { print("not sure: \(warning)") }
    print("\(layout.functions.count) functions need \(plan.slots.count) slots")
    for budget in plan.budgets { print("\(budget.name): \(budget.need) of \(budget.limit)") }
    exit(plan.fits ? 0 : 1)
} catch {
    print("no plan: \(error)")
    exit(65)
}
