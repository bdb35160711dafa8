public import Memslots

/// The places of everything in a machine's guest-physical memory: RAM, PCI configuration space, apertures, interrupt controllers.
public struct AddressMap: Hashable, Sendable {
    /// The parts of the map that can be chosen. A part that is nil takes its usual place.
    public struct Choices: Hashable, Sendable {
        /// The aperture below 4 GiB.
        public var lowAperture: GuestRange?
        /// The aperture for 64-bit BARs.
        public var highAperture: GuestRange?
        /// The number of PCI buses of each segment, 1 to 256: configuration space has 1 MiB for each.
        public var buses: Int?
        /// The number of PCI segments.
        public var segments: Int?

        /// Creates choices. Without arguments nothing is chosen.
        public init(
            lowAperture: GuestRange? = nil, highAperture: GuestRange? = nil, buses: Int? = nil, segments: Int? = nil
        ) {
            self.segments = segments
            self.lowAperture = lowAperture
            self.highAperture = highAperture
            self.buses = buses
        }

        /// Returns these choices, completed by those of `other` where these have none.
        public func filled(from other: Choices) -> Choices {
            Choices(
                lowAperture: lowAperture ?? other.lowAperture, highAperture: highAperture ?? other.highAperture,
                buses: buses ?? other.buses, segments: segments ?? other.segments)
        }
    }

    /// A part of guest-physical memory with a purpose.
    public struct Area: Hashable, Sendable {
        /// The name of the area for people.
        public let name: String
        /// The addresses of the area.
        public let range: GuestRange
        /// Whether BARs have their addresses there.
        public var isAperture = false
    }

    /// The places of the RAM.
    public let ram: RAMLayout
    /// The number of PCI buses of each segment.
    public let buses: Int
    /// The number of PCI segments.
    public let segments: Int
    /// PCI configuration space by memory (ECAM; PCIe, 7.2.2) of all segments, at the beginning of the hole in the RAM.
    public let ecam: GuestRange
    /// The ranges in which BARs may lie.
    public let apertures: Apertures
    /// The addresses that no processor of the machine has. It is nil with 64 address bits.
    public let beyond: GuestRange?

    /// The range from the IOAPIC up to 4 GiB. Local APICs, scratch memory and the pages for real mode lie there, and no mapping.
    public static let interruptControllers = constantRange(0xfec0_0000, size: (4 << 30) - 0xfec0_0000)
    /// The first of the four pages that some Intel processors need for real mode.
    public static let realModePages: UInt32 = 0xfffb_c000
    /// The last page below 4 GiB, where processors begin after a reset.
    public static let resetPage = GuestAddress(0xffff_f000)
    /// The address of the device memory that keeps what is written to it.
    public static let scratchMemory: UInt64 = 0xff00_0000
    /// Bytes of configuration space for one bus.
    public static let ecamBytesPerBus: UInt64 = 1 << 20

    /// The map of a machine without RAM, with 48 address bits and nothing chosen.
    public static let standard = AddressMap(standardFor: RAMLayout(memory: 0), addressBits: 48)

    /// Places everything.
    ///
    /// - Parameters:
    ///   - memory: The RAM in bytes.
    ///   - addressBits: The bits of a guest-physical address.
    ///   - choices: The places that are to differ from the usual ones.
    /// - Throws: The first choice that is not possible, with the area that it collides with.
    public init(memory: UInt64, addressBits: Int, choices: Choices = Choices()) throws(AddressMapError) {
        let ram = RAMLayout(memory: memory)
        guard (1...256).contains(choices.buses ?? 256) else { throw .buses(choices.buses ?? 256) }
        let segments = choices.segments ?? 1
        let room = (Self.interruptControllers.first.rawValue - RAMLayout.hole.first.rawValue) / Self.ecamBytesPerBus
        guard (1...256).contains(segments), segments * (choices.buses ?? 256) < room else {
            throw .segments(segments, buses: choices.buses ?? 256)
        }
        self.init(standardFor: ram, addressBits: addressBits, choices)
        let low = Area(name: "low aperture", range: apertures.low)
        if choices.lowAperture != nil {
            guard low.range.last.rawValue < RAMLayout.highStart else { throw .lowApertureAbove4GiB(low) }
            try check(low, against: [configurationSpace, Self.controllers])
        }
        if let high = choices.highAperture.map({ Area(name: "high aperture", range: $0) }) {
            guard addressBits >= 64 || high.range.last.rawValue >> UInt64(addressBits) == 0 else {
                throw .beyondAddressBits(high, bits: addressBits)
            }
            try check(high, against: [configurationSpace, low, Self.controllers])
        }
    }

    private init(standardFor ram: RAMLayout, addressBits: Int, _ choices: Choices = Choices()) {
        self.ram = ram
        buses = choices.buses ?? 256
        segments = choices.segments ?? 1
        let ecam = constantRange(
            RAMLayout.hole.first.rawValue, size: UInt64(segments * buses) * Self.ecamBytesPerBus)
        self.ecam = ecam
        let behindECAM = ecam.last.rawValue + 1
        apertures = Apertures(
            low: choices.lowAperture
                ?? constantRange(behindECAM, size: Self.interruptControllers.first.rawValue - behindECAM),
            high: choices.highAperture ?? Self.highAperture(above: ram, addressBits: addressBits))
        beyond =
            addressBits < 64
            ? GuestRange(first: GuestAddress(1 << UInt64(addressBits)), last: GuestAddress(.max)) : nil
    }

    /// Returns the addresses above 4 GiB and all RAM: 16 TiB, or fewer if the last address of the processor comes first. Returns nil
    /// if that leaves none.
    private static func highAperture(above ram: RAMLayout, addressBits: Int) -> GuestRange? {
        let gigabyte: UInt64 = 1 << 30
        let (end, overflow) = max(ram.end, RAMLayout.highStart).addingReportingOverflow(gigabyte - 1)
        guard !overflow, addressBits < 64 else { return nil }
        let first = end / gigabyte * gigabyte
        let last = min((1 << UInt64(addressBits)) - 1, first + (16 << 40) - 1)
        return GuestRange(first: GuestAddress(first), last: GuestAddress(last))
    }

    /// Configuration space by memory of one segment.
    public func ecam(ofSegment segment: Int) -> GuestRange {
        let size = UInt64(buses) * Self.ecamBytesPerBus
        return constantRange(ecam.first.rawValue + UInt64(segment) * size, size: size)
    }

    /// Throws if the machine does not have a bus with a function, or the segment. A bus has the number of its segment in its upper half.
    public func checkBuses(_ numbers: some Sequence<UInt16>) throws(AddressMapError) {
        for number in numbers {
            guard number & 0xff < buses else { throw .noSuchBus(bus: UInt8(number & 0xff), buses: buses) }
            guard number >> 8 < segments else { throw .noSuchSegment(Int(number >> 8), segments: segments) }
        }
    }

    /// The ranges that no BAR can have: RAM, configuration space, interrupt controllers, and addresses that no processor has.
    public var reserved: [GuestRange] {
        ram.ranges + [ecam, Self.interruptControllers] + (beyond.map { [$0] } ?? [])
    }

    /// Returns the parts of guest-physical memory that have a purpose, by address.
    ///
    /// - Parameters:
    ///   - hasFunctions: Whether the machine has PCI functions. Only then it has configuration space and a high aperture.
    ///   - planned: The apertures of a plan, which may be larger than those of the map.
    public func areas(hasFunctions: Bool, apertures planned: Apertures? = nil) -> [Area] {
        let apertures = planned ?? apertures
        var areas = [Area(name: "low aperture", range: apertures.low, isAperture: true), Self.controllers]
        if hasFunctions {
            areas.append(configurationSpace)
            if let high = apertures.high { areas.append(Area(name: "high aperture", range: high, isAperture: true)) }
        }
        let lowEnd = min(RAMLayout.hole.first.rawValue, apertures.low.first.rawValue)
        if let low = GuestRange(first: GuestAddress(0), size: lowEnd) {
            areas.append(Area(name: "RAM below \(lowEnd == 3 << 30 ? "3 GiB" : hexadecimal(lowEnd))", range: low))
        }
        if let high = apertures.high, high.first.rawValue > RAMLayout.highStart {
            let room = constantRange(RAMLayout.highStart, size: high.first.rawValue - RAMLayout.highStart)
            areas.append(Area(name: "RAM from 4 GiB on", range: room))
        }
        return areas.sorted { $0.range.first < $1.range.first }
    }
}

// MARK: - Choices that are not possible

extension AddressMap {
    private static let controllers = Area(name: "interrupt controllers", range: interruptControllers)
    private var configurationSpace: Area { Area(name: "configuration space (ECAM)", range: ecam) }

    /// Throws if a chosen aperture does not consist of pages, or has addresses of RAM or of another area.
    private func check(_ aperture: Area, against others: [Area]) throws(AddressMapError) {
        let range = aperture.range
        guard range.first.isPageAligned, range.last.rawValue & (Page.size - 1) == Page.size - 1 else {
            throw .misaligned(aperture)
        }
        for other in ram.ranges.map({ Area(name: "RAM", range: $0) }) + others where range.overlaps(other.range) {
            throw .overlap(aperture, with: other)
        }
    }
}
