extension ConfigDump {
    /// The facts that a function tells about its virtual functions (SR-IOV 1.1, 3.3).
    public struct VirtualFunctions: Hashable, Sendable {
        /// The most virtual functions that there can be.
        public var total = 0
        /// The distance from the function's own requester ID to that of the first virtual function.
        public var firstOffset = 0
        /// The distance from the requester ID of each virtual function to that of the next.
        public var stride = 0
        /// The device ID of the virtual functions.
        public var deviceID: UInt16 = 0

        /// Creates the facts of a function without virtual functions.
        public init() {}
    }

    /// Whether the function may have capabilities that are not among the bytes. Unprivileged users can read only 64 bytes, and
    /// archives of dumps pad these bytes with zeros.
    public var lacksCapabilities: Bool {
        self[register: ConfigOffset.commandAndStatus] == nil || capabilities.isCutShort
    }

    /// The MSI-X capability (PCI 3.0, 6.8.2).
    public var msix: MSIXDescription? {
        guard let (offset, control) = capability(CapabilityID.msix), let table = self[register: offset + 4],
            let pending = self[register: offset + 8]
        else { return nil }
        func location(_ register: UInt32) -> BARLocation {
            BARLocation(bar: Int(register & 7), offset: UInt64(register & ~7))
        }
        return MSIXDescription(
            vectors: Int(control >> 16 & 0x7ff) + 1, table: location(table), pendingBits: location(pending))
    }

    /// The number of vectors that the MSI capability offers (PCI 3.0, 6.8.1.3).
    public var msiVectors: Int? { capability(CapabilityID.msi).map { 1 << Int($0.header >> 17 & 7) } }

    /// The contents of the SR-IOV capability, which is in the PCI Express list.
    public var virtualFunctions: VirtualFunctions? {
        guard let offset = extendedCapability(0x10), let counts = self[register: offset + 0x0c],
            let places = self[register: offset + 0x14], let device = self[register: offset + 0x18]
        else { return nil }
        var virtual = VirtualFunctions()
        virtual.total = Int(counts >> 16)
        virtual.firstOffset = Int(places & 0xffff)
        virtual.stride = Int(places >> 16)
        virtual.deviceID = UInt16(truncatingIfNeeded: device >> 16)
        return virtual
    }

    /// The BARs that each virtual function has. Their sizes are unknown.
    public var virtualBars: [Region] {
        extendedCapability(0x10).map { regions(from: $0 + 0x24) { .virtual($0) } } ?? []
    }

    /// The sizes in bytes that resizable BARs can have, by the number of the BAR (PCIe, 7.8.6).
    public var resizableBARs: [Int: [UInt64]] {
        guard let offset = extendedCapability(0x15), let control = self[register: offset + 8] else { return [:] }
        var sizes: [Int: [UInt64]] = [:]
        for entry in 0..<UInt64(control >> 5 & 7) {
            guard let possible = self[register: offset + 4 + 8 * entry],
                let control = self[register: offset + 8 + 8 * entry]
            else { break }
            sizes[Int(control & 7)] = (4..<32).filter { possible >> $0 & 1 != 0 }.map { 1 << UInt64(16 + $0) }
        }
        return sizes
    }

    /// The regions that entries of the Enhanced Allocation capability describe instead of BARs (PCIe, 7.8.5). Only entries count
    /// that are enabled and stand for a BAR, the ROM or a BAR of virtual functions.
    public var enhancedRegions: [Region] {
        guard let (start, header) = capability(0x14) else { return [] }
        var regions: [Region] = []
        var offset = start + 4
        for _ in 0..<(header >> 16 & 0x3f) {
            guard let entry = self[register: offset] else { break }
            if entry >> 31 != 0, let region = enhancedRegion(entry, at: offset) { regions.append(region) }
            offset += 4 * (UInt64(entry & 7) + 1)
        }
        return regions
    }

    private func enhancedRegion(_ entry: UInt32, at offset: UInt64) -> Region? {
        let place: BaseAddressRegister
        switch Int(entry >> 4 & 0xf) {
        case let number where number < 6: place = .bar(number)
        case 8: place = .rom
        case let number where (9...14).contains(number): place = .virtual(number - 9)
        default: return nil
        }
        let properties = entry >> 8 & 0xff
        guard properties <= 4, let base = self[register: offset + 4], let most = self[register: offset + 8] else {
            return nil
        }
        // The base and the largest offset have one doubleword each, or two if bit 1 of the first one says so. The upper halves
        // follow after both lower halves.
        let baseHigh = base & 2 != 0 ? self[register: offset + 12] : nil
        let mostHigh = most & 2 != 0 ? self[register: offset + (baseHigh == nil ? 12 : 16)] : nil
        return Region(
            place: place, kind: properties == 2 ? .io : .memory64, isPrefetchable: properties == 1 || properties == 3,
            size: (UInt64(mostHigh ?? 0) << 32 | UInt64(most | 3)) &+ 1,
            base: UInt64(baseHigh ?? 0) << 32 | UInt64(base & ~3))
    }

    // MARK: Lists

    /// The offset of a capability, and its first doubleword.
    typealias Capability = (offset: UInt64, header: UInt32)

    /// Returns the first capability of the PCI list that has an ID.
    func capability(_ id: UInt16) -> Capability? {
        capabilities.found.first { UInt16(truncatingIfNeeded: $0.header & 0xff) == id }
    }

    /// The PCI list of capabilities (PCI 3.0, 6.7). `isCutShort` says whether the list leads beyond the bytes, or to a doubleword
    /// of all zeros or all ones. A list that runs in a circle ends where it meets itself.
    var capabilities: (found: [Capability], isCutShort: Bool) {
        guard let status = self[register: ConfigOffset.commandAndStatus], status & CommandBits.hasCapabilities != 0,
            let pointer = self[register: ConfigOffset.capabilities]
        else { return ([], false) }
        var found: [Capability] = []
        var next = UInt64(pointer & 0xfc)
        while next >= 0x40, !found.contains(where: { $0.offset == next }) {
            guard let header = self[register: next], header != 0, header != .max else { return (found, true) }
            found.append((next, header))
            next = UInt64(header >> 8 & 0xfc)
        }
        return (found, false)
    }

    /// Returns the offset of a capability of the PCI Express list (PCIe, 7.6.3).
    private func extendedCapability(_ id: UInt16) -> UInt64? {
        extendedCapabilities.first { UInt16(truncatingIfNeeded: $0.header) == id }?.offset
    }

    /// The PCI Express list of capabilities (PCIe, 7.6.3). The list ends where it meets itself, leads beyond the bytes, or leads to
    /// a doubleword of all zeros or all ones.
    var extendedCapabilities: [Capability] {
        var found: [Capability] = []
        var next: UInt64 = 0x100
        while next >= 0x100, !found.contains(where: { $0.offset == next }), let header = self[register: next],
            header != 0, header != .max
        {
            found.append((next, header))
            next = UInt64(header >> 20 & 0xffc)
        }
        return found
    }
}
