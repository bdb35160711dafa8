extension ConfigDump {
    /// What a function says about its virtual functions (SR-IOV 1.1, 3.3).
    public struct VirtualFunctions: Hashable, Sendable {
        /// The most that there can be.
        public var total: Int
        /// From the function's own requester id to that of the first virtual one, and from each to the next.
        public var firstOffset: Int
        public var stride: Int
        public var deviceID: UInt16

        public init(total: Int, firstOffset: Int, stride: Int, deviceID: UInt16) {
            self.total = total
            self.firstOffset = firstOffset
            self.stride = stride
            self.deviceID = deviceID
        }
    }

    /// A region that no BAR describes, but an entry of the Enhanced Allocation capability (PCIe, 7.8.5).
    public struct EnhancedRegion: Hashable, Sendable {
        public enum Place: Hashable, Sendable {
            case register(BaseAddressRegister)
            /// The BAR of each virtual function.
            case virtual(Int)
        }

        public let place: Place
        public let isPort: Bool
        public let isPrefetchable: Bool
        public let base: UInt64
        /// In bytes; zero stands for 2^64.
        public let size: UInt64
    }

    /// Whether there are capabilities behind the end of the bytes: unprivileged users can read 64 of them.
    public var lacksCapabilities: Bool {
        guard let status = self[register: ConfigOffset.commandAndStatus] else { return true }
        guard status & 1 << 20 != 0 else { return false }
        return walk().isCutShort
    }

    /// The MSI-X capability (PCI 3.0, 6.8.2).
    public var msix: MSIXDescription? {
        guard let offset = capability(0x11), let control = self[register: offset],
            let table = self[register: offset + 4], let pending = self[register: offset + 8]
        else { return nil }
        func location(_ register: UInt32) -> BARLocation {
            BARLocation(bar: Int(register & 7), offset: UInt64(register & ~7))
        }
        return MSIXDescription(
            vectors: Int(control >> 16 & 0x7ff) + 1, table: location(table), pendingBits: location(pending))
    }

    /// How many vectors the MSI capability offers (PCI 3.0, 6.8.1.3).
    public var msiVectors: Int? {
        guard let offset = capability(0x05), let control = self[register: offset] else { return nil }
        return 1 << Int(control >> 17 & 7)
    }

    /// The SR-IOV capability, among those of PCI Express.
    public var virtualFunctions: VirtualFunctions? {
        guard let offset = extendedCapability(0x10), let counts = self[register: offset + 0x0c],
            let places = self[register: offset + 0x14], let device = self[register: offset + 0x18]
        else { return nil }
        return VirtualFunctions(
            total: Int(counts >> 16), firstOffset: Int(places & 0xffff), stride: Int(places >> 16),
            deviceID: UInt16(truncatingIfNeeded: device >> 16))
    }

    /// The entries of the Enhanced Allocation capability that are enabled and stand for a BAR or the ROM.
    public var enhancedRegions: [EnhancedRegion] {
        guard let start = capability(0x14), let header = self[register: start] else { return [] }
        var regions: [EnhancedRegion] = []
        var offset = start + 4
        for _ in 0..<(header >> 16 & 0x3f) {
            guard let entry = self[register: offset] else { break }
            if entry >> 31 != 0, let region = enhancedRegion(entry, at: offset) {
                regions.append(region)
            }
            offset += 4 * (Int(entry & 7) + 1)
        }
        return regions
    }

    private func enhancedRegion(_ entry: UInt32, at offset: Int) -> EnhancedRegion? {
        let place: EnhancedRegion.Place
        switch Int(entry >> 4 & 0xf) {
        case let number where number < 6: place = .register(.bar(number))
        case 8: place = .register(.rom)
        case let number where (9...14).contains(number): place = .virtual(number - 9)
        default: return nil
        }
        guard let base = self[register: offset + 4], let most = self[register: offset + 8] else { return nil }
        var next = offset + 12
        var wideBase = UInt64(base & ~3)
        // Both are doublewords, or two where bit 1 says so; the upper halves follow.
        if base & 2 != 0, let high = self[register: next] {
            wideBase |= UInt64(high) << 32
            next += 4
        }
        var wideMost = UInt64(most | 3)
        if most & 2 != 0, let high = self[register: next] {
            wideMost |= UInt64(high) << 32
        }
        let properties = entry >> 8 & 0xff
        guard properties <= 4 else { return nil }
        return EnhancedRegion(
            place: place, isPort: properties == 2, isPrefetchable: properties == 1 || properties == 3,
            base: wideBase, size: wideMost &+ 1)
    }

    // MARK: Lists

    /// Where a capability lies (PCI 3.0, 6.7).
    private func capability(_ id: UInt8) -> Int? {
        walk().found.first { bytes[$0] == id }
    }

    /// The list of capabilities, and whether it leads out of the bytes. A list that leads into a circle ends there.
    private func walk() -> (found: [Int], isCutShort: Bool) {
        guard let status = self[register: ConfigOffset.commandAndStatus], status & 1 << 20 != 0,
            let pointer = self[register: ConfigOffset.capabilities]
        else { return ([], false) }
        var found: [Int] = []
        var next = Int(pointer & 0xfc)
        while next >= 0x40, !found.contains(next) {
            guard let header = self[register: next] else { return (found, true) }
            found.append(next)
            next = Int(header >> 8 & 0xfc)
        }
        return (found, false)
    }

    /// Where a capability of PCI Express lies (PCIe, 7.6.3).
    private func extendedCapability(_ id: UInt16) -> Int? {
        var next = 0x100
        var seen = Set<Int>()
        while next >= 0x100, seen.insert(next).inserted, let header = self[register: next] {
            if UInt16(truncatingIfNeeded: header) == id { return next }
            next = Int(header >> 20 & 0xffc)
        }
        return nil
    }
}
