/// The slots of a table at one moment, by address: for people, for files, and to compare two moments.
public struct TableDump: Codable, Hashable, Sendable {
    /// A slot; addresses as people write them.
    public struct Slot: Codable, Hashable, Sendable {
        public let id: Int
        public let first: String
        public let last: String
        public let pages: UInt64
        public let host: String
        public let access: Access
        public let logsDirtyPages: Bool
    }

    public let generation: UInt64
    public let count: Int
    public let capacity: Int
    public let limit: Int
    public let tableBytes: Int
    public let slotList: [Slot]

    public init(_ table: MemslotTable) {
        generation = table.generation
        count = table.count
        capacity = table.capacity
        limit = table.limit
        tableBytes = table.byteSize
        slotList = table.all.map { slot in
            Slot(
                id: Int(slot.id), first: "\(slot.range.first)", last: "\(slot.range.last)", pages: slot.pages,
                host: hexadecimal(slot.host), access: slot.flags.contains(.readOnly) ? .readOnly : .readWrite,
                logsDirtyPages: slot.flags.contains(.logDirtyPages))
        }
    }
}

extension TableDump: CustomStringConvertible {
    /// A line for the table and one for each slot.
    public var description: String {
        let head = "\(count) slots of \(limit), room for \(capacity), \(tableBytes) bytes, generation \(generation)"
        return ([head] + slotList.map { "  \($0)" }).joined(separator: "\n")
    }
}

extension TableDump.Slot: CustomStringConvertible {
    public var description: String {
        "slot \(id): \(first)-\(last), \(pages) pages, host \(host), \(access.rawValue)"
            + (logsDirtyPages ? ", dirty logging" : "")
    }
}

/// What differs between two dumps, slot by slot.
public struct TableDifference: Codable, Hashable, Sendable {
    public let removed: [TableDump.Slot]
    public let added: [TableDump.Slot]

    /// Slots are the same where everything about them is; one that moved counts as removed and added.
    public init(from old: TableDump, to new: TableDump) {
        let before = Set(old.slotList)
        let after = Set(new.slotList)
        removed = old.slotList.filter { !after.contains($0) }
        added = new.slotList.filter { !before.contains($0) }
    }

    public var isEmpty: Bool {
        removed.isEmpty && added.isEmpty
    }
}

extension TableDifference: CustomStringConvertible {
    /// A line for each slot that went (-) or came (+).
    public var description: String {
        (removed.map { "- \($0)" } + added.map { "+ \($0)" }).joined(separator: "\n")
    }
}
