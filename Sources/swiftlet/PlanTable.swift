import Layouts
import PCI
import Pictures

/// The table of a plan. It has a line for each function, and below that a line for each of its BARs and its ROM.
struct PlanTable {
    let text: String

    /// One function, or many equal neighbours, of which only the first is shown.
    private struct Group {
        let first: Plan.Function
        let last: Plan.Function
        let count: Int

        var addresses: String { count == 1 ? first.addressText : "\(first.addressText) to \(last.addressText)" }

        var name: String {
            let name = first.name ?? ""
            return count == 1 ? name : "\(Figures.count(count, "function")) alike" + (name.isEmpty ? "" : ": " + name)
        }
    }

    init(_ plan: Plan, width: Int?) {
        let groups = Self.groups(of: plan)
        let functions = TextTable(
            groups, [.left("function", \.addresses), .left("device") { $0.first.device ?? "" }, .left("name", \.name)],
            width: width)
        let registers = TextTable(
            groups.flatMap(\.first.registers),
            [
                .left("  BAR") { "  \($0.register)" }, .right("address") { $0.address ?? "" },
                .right("size") { $0.isPort ? Figures.count(Int($0.size), "port") : Figures.size($0.size) },
                .left("kind", \.words), .right("mapped") { $0.isPort ? "" : "\($0.mapped)" },
                .right("trapped") { $0.isPort ? "" : "\($0.trapped)" },
            ], width: width)
        var (names, rows) = (functions.lines[...], registers.lines[...])
        var lines = [names.removeFirst(), rows.removeFirst()]
        for (group, name) in zip(groups, names) {
            lines.append(name)
            lines += rows.prefix(group.first.registers.count)
            rows = rows.dropFirst(group.first.registers.count)
            if group.first.registers.isEmpty { lines.append("  no BARs") }
        }
        text = lines.joined(separator: "\n")
    }

    private static func groups(of plan: Plan) -> [Group] {
        let most = 4
        // People know the addresses in the dump.
        let order = plan.layout.functions.indices.sorted {
            plan.layout.functions[$0].source < plan.layout.functions[$1].source
        }
        var rest = order.map { plan.functions[$0] }[...]
        var groups: [Group] = []
        while let first = rest.first {
            let alike = rest.prefix { $0.isLike(first) }
            if let last = alike.last, alike.count > most {
                groups.append(Group(first: first, last: last, count: alike.count))
            } else {
                groups += alike.map { Group(first: $0, last: $0, count: 1) }
            }
            rest = rest.dropFirst(alike.count)
        }
        return groups
    }

    /// Returns the table as comma-separated values, with a line for each BAR. Nothing is left out or rounded.
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
    fileprivate var isPort: Bool { kind == .io }

    /// The kind in words, such as `64-bit, prefetchable`.
    fileprivate var words: String {
        if isPort { return "I/O" }
        if register == "ROM" { return "ROM" }
        return (kind == .memory64 ? "64-bit" : "32-bit") + (prefetchable ? ", prefetchable" : "")
    }
}

extension Plan.Function {
    fileprivate var addressText: String { address == guestAddress ? address : "\(address) as \(guestAddress)" }

    /// Whether another function differs only in its address.
    fileprivate func isLike(_ other: Plan.Function) -> Bool {
        name == other.name && device == other.device
            && registers.elementsEqual(other.registers) {
                $0.register == $1.register && $0.size == $1.size && $0.kind == $1.kind && $0.mapped == $1.mapped
                    && $0.trapped == $1.trapped && $0.prefetchable == $1.prefetchable
            }
    }
}
