extension AddressSpace {
    /// Starts or ends the logging of dirty pages for the mappings that overlap `range`.
    ///
    /// A slot logs while one of its mappings does. What was logged of a mapping is forgotten when its logging ends.
    public mutating func setDirtyLogging<Installer: SlotInstaller & ~Copyable>(
        _ logs: Bool, in range: GuestRange, through installer: inout Installer
    ) throws(AddressSpaceError) {
        var changed = mappings
        changed.setLogging(logs, in: range)
        var steps: [TransactionStep] = []
        for slot in table.slots(in: range) {
            var flags = slot.flags.subtracting(.logDirtyPages)
            changed.forEach(in: slot.range) { flags.formUnion($0.flags) }
            if flags != slot.flags {
                steps.append(.edit(.setFlags(slot.id, flags)))
            }
        }
        try run(steps, through: &installer)
        mappings = changed
        if !logs {
            mappings.forEach(in: range) { record in
                for page in 0..<record.range.pages {
                    _ = dirty.remove(page: record.mapping.backing.page + page, of: record.mapping.backing.id)
                }
            }
        }
    }

    /// The pages of `range` that the guest has written since they were last taken, across all slots in it.
    public mutating func takeDirtyPages<Installer: SlotInstaller & ~Copyable>(
        in range: GuestRange, through installer: inout Installer
    ) throws(AddressSpaceError) -> DirtyBitmap {
        for slot in table.slots(in: range) where slot.flags.contains(.logDirtyPages) {
            do throws(SlotErrno) {
                dirty.insert(try installer.takeDirtyLog(of: slot), of: slot, in: mappings)
            } catch {
                throw .dirtyLog(slot, error)
            }
        }
        var bitmap = DirtyBitmap(range: range)
        guard !dirty.isEmpty else { return bitmap }
        mappings.forEach(in: range) { record in
            guard let part = record.range.intersection(range) else { return }
            for frame in part.first.frame...part.last.frame {
                let page = record.mapping.backing.page + (frame - record.range.first.frame)
                if dirty.remove(page: page, of: record.mapping.backing.id) {
                    bitmap.insert(frame: frame)
                }
            }
        }
        return bitmap
    }
}

extension DirtyPages {
    /// Adds a slot's dirty log, under the backings of the mappings that it holds and that log: what is kept by backing
    /// outlasts the slot.
    mutating func insert(_ log: [UInt64], of slot: Memslot, in mappings: MappingSet) {
        mappings.forEach(in: slot.range) { record in
            guard record.logsDirtyPages else { return }
            let firstPage = record.range.first.frame - slot.range.first.frame
            for (number, word) in log.enumerated() where word != 0 {
                var bits = word
                while bits != 0 {
                    let page = UInt64(number * 64 + bits.trailingZeroBitCount)
                    bits &= bits - 1
                    guard page >= firstPage, page - firstPage < record.range.pages else { continue }
                    insert(page: record.mapping.backing.page + (page - firstPage), of: record.mapping.backing.id)
                }
            }
        }
    }
}

extension Backing {
    /// The number of the page at the backing's offset.
    fileprivate var page: UInt64 { offset >> Page.shift }
}
