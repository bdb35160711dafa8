import Memslots
import PCI

/// The BARs and the ROM that result from the regions of a dumped function and the sizes that a user has given.
struct SizedRegions {
    private(set) var bars: [Int: BARDescription] = [:]
    private(set) var romSize: UInt64?
    /// The BARs whose sizes are not known, in words. Nil if there are none.
    var lack: String? {
        missing.isEmpty ? nil : "the dump does not tell the size of " + missing.joined(separator: ", ")
    }
    /// The regions that `lack` and `romLack` are about.
    private(set) var unsized: [DumpSelection.Place] = []
    /// The statement, in words, that only the size of the ROM is not known. Nil if it is known, or if sizes of BARs are missing
    /// too.
    private(set) var romLack: String?
    /// Details that are left out, in words.
    private(set) var warnings: [String] = []
    private var missing: [String] = []
    /// Whether a BAR counts with the largest number of ports that it can have, because the dump does not tell the number.
    private(set) var assumesPorts = false

    init(_ function: DumpedFunction, _ selection: DumpSelection, areVirtual: Bool) {
        let regions = function.regions.filter { $0.key.isVirtual == areVirtual }
        for (place, region) in regions.sorted(by: { $0.key < $1.key }) {
            let named = DumpSelection.Place(function: function.address, region: place)
            guard !selection.absent.contains(named) else { continue }
            let size = selection.sizes[named] ?? region.size
            guard let number = place.number else {
                takeROM(region, size, named)
                continue
            }
            guard !region.isFixedPorts(size) else { continue }
            assumesPorts = assumesPorts || size == nil && region.mostPorts != nil
            guard let size = size ?? region.mostPorts else {
                missing.append(region.named(named))
                unsized.append(named)
                continue
            }
            guard region.kind != .io || BARDescription.Kind.io.sizes.contains(size) && size.nonzeroBitCount == 1 else {
                warnings.append("\(place) has \(size) ports, which no BAR can have: not counted")
                continue
            }
            // A BAR above 4 GiB is a 64-bit BAR, even if Enhanced Allocation put it there and the register says otherwise.
            let isWide =
                region.kind == .memory32 && region.base > UInt32.max && number < 5
                && !regions.keys.contains { $0.number == number + 1 }
            bars[number] = BARDescription(
                kind: isWide ? .memory64 : region.kind, size: size, isPrefetchable: region.isPrefetchable)
        }
    }

    /// Takes the ROM. A ROM that cannot be counted is a detail: the BARs count without it.
    private mutating func takeROM(_ region: ConfigDump.Region, _ size: UInt64?, _ place: DumpSelection.Place) {
        if let size, (2048...16 << 20).contains(size), size.nonzeroBitCount == 1 {
            romSize = size
        } else if let size {
            warnings.append("its expansion ROM has \(sizeText(size)), which none can have: not counted")
        } else {
            unsized.append(place)
            guard missing.isEmpty else { return missing.append(region.named(place)) }
            romLack = "the dump does not tell the size of its expansion ROM (\(place)), which is not counted"
        }
    }
}

extension ConfigDump.Region {
    /// Returns the place in words for people, with what is known of its size.
    fileprivate func named(_ named: DumpSelection.Place) -> String {
        // BARs are naturally aligned, so the address bounds the size.
        let most = base == 0 ? "" : "at most \(sizeText(base & (0 &- base))), "
        return "\(place) (\(most)\(named))"
    }

    /// The largest number of ports that a function can have at the address. It stands in for an unknown number: ports take no
    /// slots, so nobody has to look the number up.
    fileprivate var mostPorts: UInt64? {
        kind == .io && !place.isVirtual ? min(256, base == 0 ? 256 : base & (0 &- base)) : nil
    }

    /// Whether these are the fixed ports of an old controller, such as 0x1f0 and 0x3f6 of IDE, which no BAR moves. Tools show
    /// them as BARs, some even as BARs of memory.
    fileprivate func isFixedPorts(_ size: UInt64?) -> Bool {
        guard !place.isVirtual, (1...0xffff).contains(base) else { return false }
        if let size { return size < kind.sizes.lowerBound }
        return kind == .memory32 && base < 0x1000
    }
}
