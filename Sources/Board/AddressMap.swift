public import Memslots

/// Where everything lies in a machine's guest-physical memory: RAM, PCI configuration space, apertures, interrupt controllers.
public struct AddressMap: Hashable, Sendable {
    /// The parts of the map that a user can choose. A part that is nil takes its usual place.
    public struct Choices: Hashable, Sendable {
        /// The aperture below 4 GiB.
        public var lowAperture: GuestRange?
        /// The aperture for 64-bit BARs.
        public var highAperture: GuestRange?
        /// The number of PCI buses of each segment, 1 to 256. Each bus takes 1 MiB of configuration space.
        public var buses: Int?
        /// The number of PCI segments.
        public var segments: Int?

        /// Creates choices. A part that is left out is not chosen.
        public init(
            lowAperture: GuestRange? = nil, highAperture: GuestRange? = nil, buses: Int? = nil, segments: Int? = nil
        ) {
            self.segments = segments
            self.lowAperture = lowAperture
            self.highAperture = highAperture
            self.buses = buses
        }

        /// Returns these choices. A part that they leave open is taken from `other`.
        public func filled(from other: Choices) -> Choices {
            Choices(
                lowAperture: lowAperture ?? other.lowAperture, highAperture: highAperture ?? other.highAperture,
                buses: buses ?? other.buses, segments: segments ?? other.segments)
        }
    }

    /// A range of guest-physical memory with one purpose.
    public struct Area: Hashable, Sendable {
        /// The area's name in pictures and error messages.
        public let name: String
        /// The addresses of the area.
        public let range: GuestRange
        /// Whether the area is an aperture: a range in which BARs may lie.
        public var isAperture = false
    }

    /// The ranges of the RAM.
    public let ram: RAMLayout
    /// The number of PCI buses of each segment.
    public let buses: Int
    /// The number of PCI segments.
    public let segments: Int
    /// The memory-mapped configuration space (ECAM; PCIe, 7.2.2) of all segments. It begins where the hole in the RAM begins.
    public let ecam: GuestRange
    /// The ranges in which BARs may lie.
    public let apertures: Apertures
    /// The guest-physical addresses that are too high for the machine's processors. It is nil if addresses have 64 bits.
    public let unaddressable: GuestRange?

    /// The range from the I/O APIC up to 4 GiB. It holds the local APICs, the scratch memory and the pages for real mode. No
    /// mapping lies there.
    public static let interruptControllers = constantRange(0xfec0_0000, size: (4 << 30) - 0xfec0_0000)
    /// The first of the four pages that KVM needs on some Intel processors for guests in real mode.
    public static let realModePages: UInt32 = 0xfffb_c000
    /// The last page below 4 GiB, in which processors start after a reset.
    public static let resetPage = GuestAddress(0xffff_f000)
    /// The address of the board's scratch memory: a device that keeps what guests write to it.
    public static let scratchMemory: UInt64 = 0xff00_0000
    /// The bytes of configuration space of one bus.
    public static let ecamBytesPerBus: UInt64 = 1 << 20

    /// The map of a machine without RAM, with 48 address bits and nothing chosen by a user.
    public static let standard = AddressMap(standardFor: RAMLayout(memory: 0), addressBits: 48)

    /// Creates the map of a machine. RAM and interrupt controllers always have the same places. Each other area lies where
    /// `choices` says, or else at its usual place.
    ///
    /// - Parameters:
    ///   - memory: The size of the RAM in bytes.
    ///   - addressBits: The number of bits of a guest-physical address.
    ///   - choices: The places that differ from the usual ones.
    /// - Throws: The first choice that is not possible. If it overlaps another area, the error names that area.
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
        unaddressable =
            addressBits < 64
            ? GuestRange(first: GuestAddress(1 << UInt64(addressBits)), last: GuestAddress(.max)) : nil
    }

    /// Returns the high aperture. It begins at the first multiple of 1 GiB above 4 GiB and all RAM, and has 16 TiB, or less if the
    /// processor's last address comes first. Returns nil if no address is left.
    private static func highAperture(above ram: RAMLayout, addressBits: Int) -> GuestRange? {
        let gigabyte: UInt64 = 1 << 30
        let (end, overflow) = max(ram.end, RAMLayout.highStart).addingReportingOverflow(gigabyte - 1)
        guard !overflow, addressBits < 64 else { return nil }
        let first = end / gigabyte * gigabyte
        let last = min((1 << UInt64(addressBits)) - 1, first + (16 << 40) - 1)
        return GuestRange(first: GuestAddress(first), last: GuestAddress(last))
    }

    /// Returns the memory-mapped configuration space of one segment.
    public func ecam(ofSegment segment: Int) -> GuestRange {
        let size = UInt64(buses) * Self.ecamBytesPerBus
        return constantRange(ecam.first.rawValue + UInt64(segment) * size, size: size)
    }

    /// Checks that the machine has the buses on which functions are to lie.
    ///
    /// - Parameter numbers: The buses, each with the number of its segment in the upper half.
    /// - Throws: The first bus or segment that the machine does not have.
    public func checkBuses(_ numbers: [UInt16]) throws(AddressMapError) {
        for number in numbers {
            guard number & 0xff < buses else { throw .noSuchBus(bus: UInt8(number & 0xff), buses: buses) }
            guard number >> 8 < segments else { throw .noSuchSegment(Int(number >> 8), segments: segments) }
        }
    }

    /// The ranges that no BAR can have: RAM, configuration space, interrupt controllers, and addresses that are too high for the
    /// processors.
    public var reserved: [GuestRange] {
        ram.ranges + [ecam, Self.interruptControllers] + (unaddressable.map { [$0] } ?? [])
    }

    /// Returns the areas of guest-physical memory, by address.
    ///
    /// - Parameters:
    ///   - hasFunctions: Whether the machine has PCI functions. Without them there is no configuration space and no high aperture.
    ///   - planned: The apertures of a plan, which may be larger than those of the map. Nil means those of the map.
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

    /// Throws if a chosen aperture does not begin and end at page boundaries, or if it overlaps RAM or another area.
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
