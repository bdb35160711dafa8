extension AddressSpace {
    /// Starts or ends dirty logging for the mappings that overlap `range`.
    ///
    /// A slot logs while at least one of its mappings does. When the host memory of a logging mapping is mapped elsewhere, the new
    /// mapping logs too. When logging ends for a mapping, the address space forgets the mapping's logged pages.
    ///
    /// KVM forgets a slot's log when the slot stops logging. If the change fails after that and is undone, it is no longer known
    /// which pages were written. Then all pages of the mappings concerned count as written.
    public mutating func setDirtyLogging<Installer: SlotInstaller & ~Copyable>(
        _ logs: Bool, in range: GuestRange, through installer: inout Installer
    ) throws(AddressSpaceError) {
        var steps: [TransactionStep] = []
        var ended: [Memslot] = []
        for slot in table.slots(in: range) {
            var flags = slot.flags.subtracting(.logDirtyPages)
            var isChanged = false
            mappings.forEach(in: slot.range) { record in
                let isAsked = record.range.overlaps(range)
                if isAsked, record.logsDirtyPages != logs { isChanged = true }
                if isAsked ? logs : record.logsDirtyPages { flags.insert(.logDirtyPages) }
            }
            if isChanged, slot.flags.contains(.logDirtyPages), flags.contains(.logDirtyPages) {
                // The log up to now is taken, because its pages belong only to the mappings that have logged so far.
                steps.append(.takeDirtyLog(slot))
            }
            guard flags != slot.flags else { continue }
            steps.append(.edit(.setFlags(slot.id, flags)))
            if slot.flags.contains(.logDirtyPages) { ended.append(slot) }
        }
        do throws(AddressSpaceError) {
            try run(steps, through: &installer)
        } catch {
            for slot in ended {
                let words = Int(slot.range.pages + 63) / 64
                dirty.insert([UInt64](repeating: .max, count: words), of: slot, in: mappings)
            }
            throw error
        }
        for var record in mappings.elements(in: range) {
            mappings.remove(record)
            record.logsDirtyPages = logs
            mappings.insert(record)
            if logs {
                loggedBackings.insert(record.mapping.backing)
            } else {
                loggedBackings.remove(record.mapping.backing)
                dirty.forget(record.mapping)
            }
        }
    }

    /// Returns the pages of `range` that the guest has written since they were last taken, across all slots in the range.
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
    /// Adds a slot's dirty log. The pages of each mapping that logs are filed under the mapping's backing, because a backing
    /// outlasts the slot.
    mutating func insert(_ log: [UInt64], of slot: Memslot, in mappings: RangeIndex<PlacedMapping>) {
        mappings.forEach(in: slot.range) { record in
            guard record.logsDirtyPages else { return }
            for (number, word) in log.enumerated() where word != 0 {
                var bits = word
                while bits != 0 {
                    let page = UInt64(number * 64 + bits.trailingZeroBitCount)
                    bits &= bits - 1
                    // After an undo that failed, a slot may lie at an address that is not its own, and a mapping may begin before
                    // the slot. A page is then filed under the mapping at its address, even if the slot shows another mapping's
                    // memory.
                    let frame = slot.range.first.frame + page
                    guard frame >= record.range.first.frame, frame <= record.range.last.frame else { continue }
                    insert(
                        page: record.mapping.backing.page + (frame - record.range.first.frame),
                        of: record.mapping.backing.id)
                }
            }
        }
    }

    /// Forgets all logged pages of a mapping.
    fileprivate mutating func forget(_ mapping: Mapping) {
        guard !isEmpty else { return }
        for page in 0..<mapping.range.pages {
            _ = remove(page: mapping.backing.page + page, of: mapping.backing.id)
        }
    }
}

extension Backing {
    /// The number of the page at the backing's offset.
    fileprivate var page: UInt64 { offset >> Page.shift }
}
