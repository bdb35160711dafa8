import Layouts
import PCI
import Pictures

/// A row of the plan's table: a BAR or a ROM, with its function in the first one.
struct PlanRow {
    var functionText = ""
    var register = ""
    var address = ""
    var size = ""
    var kind = ""
    var mapped = ""
    var trapped = ""
    var device = ""
    var name = ""

    /// All rows. Of many functions side by side that are alike the first is shown, and how far they go.
    static func all(of plan: Plan) -> [PlanRow] {
        let most = 4
        var rows: [PlanRow] = []
        // By the addresses that people know.
        let order = plan.layout.functions.indices.sorted {
            plan.layout.functions[$0].source < plan.layout.functions[$1].source
        }
        var rest = order.map { plan.functions[$0] }[...]
        while let function = rest.first {
            let alike = rest.prefix { $0.isLike(function) }
            let shown = alike.count > most ? alike.prefix(1) : alike
            for function in shown { rows += Self.rows(of: function) }
            if let last = alike.last, alike.count > most {
                rows.append(
                    PlanRow(functionText: last.addressText, name: "and \(alike.count - 1) more like it up to here"))
            }
            rest = rest.dropFirst(alike.count)
        }
        return rows
    }

    private static func rows(of function: Plan.Function) -> [PlanRow] {
        var rows = function.registers.map { register in
            let isPort = register.kind == .io
            return PlanRow(
                register: register.register, address: register.address ?? "",
                size: isPort ? Figures.count(Int(register.size), "port") : Figures.size(register.size),
                kind: isPort ? "I/O" : register.words, mapped: isPort ? "" : "\(register.mapped)",
                trapped: isPort ? "" : "\(register.trapped)")
        }
        if rows.isEmpty { rows.append(PlanRow(register: "none")) }
        rows[0].functionText = function.addressText
        rows[0].device = function.device ?? ""
        rows[0].name = function.name ?? ""
        return rows
    }

    /// The table with commas, a line for each BAR, in which nothing is left out or rounded.
    static func csv(of plan: Plan) -> String {
        let titles = [
            "function", "guestAddress", "register", "address", "size", "kind", "prefetchable", "mapped", "trapped",
            "device", "name",
        ]
        let rows = plan.functions.flatMap { function in
            function.registers.map { register in
                [
                    function.address, function.guestAddress, register.register, register.address ?? "",
                    "\(register.size)",
                    register.kind.rawValue, "\(register.prefetchable)", "\(register.mapped)", "\(register.trapped)",
                    function.device ?? "", function.name ?? "",
                ]
            }
        }
        return ([titles] + rows).map { $0.map(quoted).joined(separator: ",") }.joined(separator: "\n")
    }

    private static func quoted(_ cell: String) -> String {
        let isPlain = cell.allSatisfy { ![",", "\"", "\r", "\n"].contains($0) }
        return isPlain ? cell : "\"" + cell.replacing("\"", with: "\"\"") + "\""
    }
}

extension Plan.Register {
    /// `64-bit, prefetchable`
    fileprivate var words: String {
        if register == "ROM" { return "ROM" }
        return (kind == .memory64 ? "64-bit" : "32-bit") + (prefetchable ? ", prefetchable" : "")
    }
}

extension Plan.Function {
    fileprivate var addressText: String { address == guestAddress ? address : "\(address) as \(guestAddress)" }

    /// Whether another function differs in nothing but its address.
    fileprivate func isLike(_ other: Plan.Function) -> Bool {
        name == other.name && device == other.device
            && registers.elementsEqual(other.registers) {
                $0.register == $1.register && $0.size == $1.size && $0.kind == $1.kind && $0.mapped == $1.mapped
                    && $0.trapped == $1.trapped && $0.prefetchable == $1.prefetchable
            }
    }
}
