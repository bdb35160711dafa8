extension MemslotTable {
    /// Returns the change that a request would make.
    ///
    /// The checks are made in the kernel's order (`__kvm_set_memory_region`), so that the result and the errno are the same as
    /// KVM's.
    ///
    /// - Throws: The first rule that the request breaks.
    public func change(for request: SlotRequest) throws(SlotViolation) -> SlotChange {
        try limits.checkShape(of: request)
        let old = self[SlotID(truncatingIfNeeded: request.slot)]
        guard request.size > 0 else {
            guard let old else { throw SlotViolation(.deleteUsed, request) }
            return .delete(old)
        }
        guard let range = GuestRange(first: GuestAddress(request.guestAddress), size: request.size) else {
            throw SlotViolation(.noWrap, request)
        }
        let slot = Memslot(
            id: SlotID(truncatingIfNeeded: request.slot), range: range, host: request.hostAddress,
            flags: SlotFlags(rawValue: request.flags))
        guard let old else {
            try checkPlace(of: slot, request)
            return .create(slot)
        }
        try checkKept(old, request)
        if slot.range != old.range {
            try checkPlace(of: slot, request)
            return .move(from: old, to: slot)
        }
        return slot.flags == old.flags ? .none : .setFlags(from: old, to: slot)
    }

    /// Returns the request that makes an edit. A new slot gets the lowest free id.
    ///
    /// - Throws: The rule that the edit breaks: a new slot needs a free id, and other edits need a slot in use.
    public func request(for edit: SlotEdit) throws(SlotViolation) -> SlotRequest {
        switch edit {
        case .create(let range, let host, let flags):
            guard let id = lowestFreeID else {
                let request = SlotRequest(
                    slot: UInt32(limit), flags: flags.rawValue, guestAddress: range.first.rawValue, size: range.size,
                    hostAddress: host)
                throw SlotViolation(.freeSlot, request, limit: UInt64(limit))
            }
            return SlotRequest(holding: Memslot(id: id, range: range, host: host, flags: flags))
        case .delete(let id):
            return SlotRequest(deleting: try used(id))
        case .move(let id, let target):
            var request = SlotRequest(holding: try used(id))
            request.guestAddress = target.rawValue
            return request
        case .setFlags(let id, let flags):
            var request = SlotRequest(holding: try used(id))
            request.flags = flags.rawValue
            return request
        }
    }

    private func used(_ id: SlotID) throws(SlotViolation) -> Memslot {
        guard let slot = self[id] else {
            let request = SlotRequest(slot: UInt32(id), guestAddress: 0, size: 0, hostAddress: 0)
            throw SlotViolation(.deleteUsed, request)
        }
        return slot
    }

    /// Checks that a request leaves unchanged what KVM does not change in a slot in use: host address, size and read-only flag.
    private func checkKept(_ old: Memslot, _ request: SlotRequest) throws(SlotViolation) {
        guard request.hostAddress == old.host else { throw SlotViolation(.fixedHostAddress, request, other: old) }
        guard request.size == old.range.size else { throw SlotViolation(.noResize, request, other: old) }
        guard (request.flags ^ old.flags.rawValue) & SlotFlags.readOnly.rawValue == 0 else {
            throw SlotViolation(.fixedReadOnly, request, other: old)
        }
    }

    /// Checks that a slot overlaps no other slot and ends within guest-physical address space. A slot that moves may overlap its
    /// own old range.
    private func checkPlace(of slot: Memslot, _ request: SlotRequest) throws(SlotViolation) {
        if let other = firstSlot(in: slot.range, except: slot.id) {
            throw SlotViolation(.noOverlap, request, other: other)
        }
        try limits.checkReach(of: request)
    }
}

// MARK: - The rules that do not depend on slots

extension SlotLimits {
    /// Checks the rules for flags, ids, alignment, addresses and sizes.
    func checkShape(of request: SlotRequest) throws(SlotViolation) {
        guard request.flags & ~SlotFlags.all.rawValue == 0 else { throw SlotViolation(.knownFlags, request) }
        // KVM cuts the id to 16 bits, and compares it with the limit before it looks at anything else.
        guard request.slot & 0xffff < ids else { throw SlotViolation(.slotID, request, limit: UInt64(ids)) }
        guard request.size % Page.size == 0 else { throw SlotViolation(.alignedSize, request) }
        guard request.guestAddress % Page.size == 0 else { throw SlotViolation(.alignedGuestAddress, request) }
        guard request.hostAddress % Page.size == 0 else { throw SlotViolation(.alignedHostAddress, request) }
        guard
            request.size <= hostAddressLimit,
            request.hostAddress <= hostAddressLimit - request.size
        else { throw SlotViolation(.accessibleHostRange, request, limit: hostAddressLimit) }
        guard request.slot >> 16 == 0 else { throw SlotViolation(.addressSpace, request) }
        guard request.guestAddress &+ request.size >= request.guestAddress else {
            throw SlotViolation(.noWrap, request)
        }
        guard request.size >> Page.shift <= SlotLimits.maximumPages else {
            throw SlotViolation(.pageCount, request, limit: SlotLimits.maximumPages)
        }
    }

    /// Checks that a slot would end at or below the highest guest-physical address. The request must have passed `checkShape`.
    func checkReach(of request: SlotRequest) throws(SlotViolation) {
        guard request.guestAddress &+ (request.size &- 1) <= highestGuestAddress.rawValue else {
            throw SlotViolation(.highestGuestAddress, request, limit: highestGuestAddress.rawValue)
        }
    }
}
