import Layouts
import Machine
import Memslots
import PCI
import Pictures

/// The answer to a request: the result, or the reason why there is none.
struct ControlReply: Codable {
    var result: ControlResult?
    var error: ControlRefusal?
}

/// The reason why a request was not carried out.
struct ControlRefusal: Codable {
    enum Kind: String, Codable {
        /// The line is not a request.
        case request
        /// The function is impossible, or it has no room.
        case function
        /// The machine or its host refused.
        case refused
        /// The server has too many clients.
        case busy
    }

    let kind: Kind
    /// The request as far as it was understood.
    let asked: String
    /// The name of the rule or limit that was broken, if it has a name.
    let rule: String?
    let reason: String
    /// Advice on the error, if there is any.
    let advice: String?
}

/// The result of a command. Each command sets some of the members. docs/control.md explains the keys.
struct ControlResult: Codable {
    /// The function that was added or removed.
    var function: String?
    /// The reason why the guest may find no addresses for the function that was added.
    var warning: String?
    /// Whether all vCPUs are held already. A device may still keep a vCPU, which is held later.
    var held: Bool?
    /// Whether `pause` holds the guest at present.
    var paused: Bool?
    var functionList: [FunctionState]?
    var lostFunctionList: [[String: String]]?
    /// The count of slots, the capacity of the machine's slot table so far, and its limit.
    var slots: [String: Int]?
    var slotList: [Piece]?
    var pieceList: [Piece]?

    /// A piece of guest memory. A slot has no owner, and a trapped piece has no slot.
    struct Piece: Codable {
        let first: String
        let size: UInt64
        let access: Access
        var owner: String?
        var slot: Int?

        init(_ range: GuestRange, _ access: Access, owner: String? = nil, slot: Int? = nil) {
            (first, size, self.access, self.owner, self.slot) = ("\(range.first)", range.size, access, owner, slot)
        }

        /// The range in words for people.
        fileprivate var range: String {
            "\(first)-\(hexadecimal((UInt64(first.dropFirst(2), radix: 16) ?? 0) &+ size &- 1))"
        }
    }
}

extension ControlResult {
    static func functions(of machine: GuestMachine) -> ControlResult {
        ControlResult(
            paused: machine.isPaused(by: .user), functionList: machine.functionStates,
            lostFunctionList: machine.lostFunctions.map { ["function": "\($0.function)", "reason": $0.reason] })
    }

    static func slots(of machine: GuestMachine) -> ControlResult {
        let table = machine.slots
        return ControlResult(
            slots: ["count": table.count, "capacity": table.capacity, "limit": table.limit],
            slotList: table.all.map {
                Piece($0.range, $0.flags.contains(.readOnly) ? .readOnly : .readWrite, slot: Int($0.id))
            })
    }

    static func map(of machine: GuestMachine) -> ControlResult {
        let memory = machine.memory
        let mapped = memory.rows.map { row in
            (
                row.mapping.range,
                Piece(row.mapping.range, row.mapping.access, owner: "\(row.mapping.owner)", slot: row.slot)
            )
        }
        let trapped = memory.trapped.map { ($0.range, Piece($0.range, $0.access, owner: "\($0.owner)")) }
        return ControlResult(pieceList: (mapped + trapped).sorted { $0.0.first < $1.0.first }.map(\.1))
    }

    /// The result for people. Each line ends with a newline. Empty if there is nothing to say.
    var text: String {
        var lines = [function, warning].compactMap { $0 }
        if held == false { lines.append("A device keeps a vCPU, which is held when it comes back.") }
        if held == true || paused == true { lines.append("The guest is paused until `resume`.") }
        if let functionList, functionList.isEmpty { lines.append("There are no PCI functions.") }
        if let functionList, !functionList.isEmpty {
            let columns: [TextTable.Column<FunctionState>] = [
                .left("function", \.function), .left("vendor:device", \.device), .left("kind", \.kind.rawValue),
                .left("decoded") { function in
                    function.registers.compactMap { part in part.address.map { "\(part.register) \($0)" } }.joined(
                        separator: ", ")
                }, .left(functionList.contains { $0.name != nil } ? "behind it" : "") { $0.name ?? "" },
            ]
            lines += TextTable(functionList, columns).lines
        }
        lines += (lostFunctionList ?? []).map { "lost \($0["function"] ?? ""): \($0["reason"] ?? "")" }
        if let pieces = slotList ?? pieceList {
            let slot = { (piece: Piece) in piece.slot.map { "\($0)" } ?? "trapped" }
            let columns: [TextTable.Column<Piece>] = [
                .right("slot", slot), .left("guest range", \.range), .right("size") { Figures.size($0.size) },
                .left("access", \.access.rawValue), .left(pieceList == nil ? "" : "owner") { $0.owner ?? "" },
            ]
            lines += TextTable(pieces, columns).lines
        }
        if let slots { lines.append("\(slots["count"] ?? 0) of \(slots["limit"] ?? 0) slots") }
        return lines.map { $0 + "\n" }.joined()
    }
}
