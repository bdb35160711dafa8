/// Mappings that do not overlap, found by address.
struct MappingSet: Sendable {
    private var records: [PlacedMapping] = []
    private var freeRecords: [Int] = []
    private var index = AddressIndex()

    var count: Int { index.count }

    /// The mapping that holds an address.
    func record(at address: GuestAddress) -> PlacedMapping? {
        guard let position = index.position(atOrBelow: address.frame) else { return nil }
        let record = records[index[position].payload]
        return record.range.contains(address) ? record : nil
    }

    /// Calls `body` with the mappings that overlap `range`, by address.
    func forEach(in range: GuestRange, _ body: (PlacedMapping) -> Void) {
        var position = index.position(atOrBelow: range.first.frame) ?? index.first
        while let current = position {
            let record = index[current].payload
            if records[record].range.first > range.last { return }
            if records[record].range.last >= range.first {
                body(records[record])
            }
            position = index.position(after: current)
        }
    }

    mutating func apply(_ change: ChangeLists.Change) {
        for mapping in change.removed { remove(mapping) }
        if change.added.count > records.count {
            // A machine's first: no more memory than they need.
            records.reserveCapacity(records.count + change.added.count)
        }
        for mapping in change.added { insert(mapping) }
    }

    /// Turns dirty logging on or off for the mappings that overlap `range`.
    mutating func setLogging(_ logs: Bool, in range: GuestRange) {
        var position = index.position(atOrBelow: range.first.frame) ?? index.first
        while let current = position {
            let record = index[current].payload
            if records[record].range.first > range.last { return }
            if records[record].range.last >= range.first {
                records[record].logsDirtyPages = logs
            }
            position = index.position(after: current)
        }
    }

    private mutating func insert(_ mapping: PlacedMapping) {
        let record: Int
        if let free = freeRecords.popLast() {
            record = free
            records[record] = mapping
        } else {
            record = records.count
            records.append(mapping)
        }
        index.insert(AddressIndex.Entry(frame: mapping.range.first.frame, payload: record))
    }

    private mutating func remove(_ mapping: PlacedMapping) {
        guard let position = index.position(atOrBelow: mapping.range.first.frame) else {
            preconditionFailure("\(mapping.range) is not mapped")
        }
        freeRecords.append(index[position].payload)
        index.remove(at: position)
    }
}
