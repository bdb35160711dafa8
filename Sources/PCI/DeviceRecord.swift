/// The interface that a device gives to the program that drives it: regions, interrupts, reset, and configuration space.
///
/// The form and the numbers of regions and interrupts are those of VFIO (`linux/vfio.h`), which vfio-user has taken over.
public struct DeviceRecord: Hashable, Sendable {
    /// The regions that the device has.
    public var regions: [RegionNumber: Region]
    /// The kinds of interrupts that the device has.
    public var interrupts: [InterruptKind: Interrupts]
    /// Whether the device can be reset alone, without other devices.
    public var canReset: Bool
    /// The bytes of configuration space as they were read: 256, or 4,096 with the extended part.
    public var configuration: [UInt8]

    /// Creates a record.
    public init(
        regions: [RegionNumber: Region] = [:], interrupts: [InterruptKind: Interrupts] = [:], canReset: Bool = false,
        configuration: [UInt8] = []
    ) {
        self.regions = regions
        self.interrupts = interrupts
        self.canReset = canReset
        self.configuration = configuration
    }

    /// The offset of the register with the power state in configuration space, or nil if there is none.
    public var powerRegister: UInt64? { ConfigDump(configuration).capability(CapabilityID.power).map { $0.offset + 4 } }

    /// A region by its number (`VFIO_PCI_BAR0_REGION_INDEX` and the constants after it).
    public enum RegionNumber: UInt32, CaseIterable, Sendable {
        /// The BARs, the ROM, configuration space, and the ports and memory of VGA.
        case bar0, bar1, bar2, bar3, bar4, bar5, rom, configuration, vga
    }

    /// A kind of interrupts by its number (`VFIO_PCI_INTX_IRQ_INDEX` and the constants after it).
    public enum InterruptKind: UInt32, CaseIterable, Sendable {
        /// The interrupt line, MSI, and MSI-X.
        case intx, msi, msix
        /// A report that the device has met an error that it cannot mend.
        case error
        /// A request that the device be given back to the host.
        case request
    }

    /// A region, such as a BAR.
    public struct Region: Hashable, Sendable {
        /// The size in bytes.
        public var size: UInt64
        /// Whether the region can be read by calls or messages.
        public var isReadable: Bool
        /// Whether the region can be written by calls or messages.
        public var isWritable: Bool
        /// The parts that can be mapped into memory, in order and apart from each other, in bytes from the beginning of the region.
        public var areas: [Range<UInt64>]

        /// Creates a region. Unless told otherwise it can be read and written, but not mapped.
        public init(size: UInt64, isReadable: Bool = true, isWritable: Bool = true, areas: [Range<UInt64>] = []) {
            self.size = size
            self.isReadable = isReadable
            self.isWritable = isWritable
            self.areas = areas
        }
    }

    /// The interrupts of one kind.
    public struct Interrupts: Hashable, Sendable {
        /// The number of vectors, or 1 for kinds without vectors.
        public var count: UInt32
        /// The behaviour of the interrupts.
        public var traits: InterruptTraits

        /// Creates the description of the interrupts of one kind.
        public init(count: UInt32, traits: InterruptTraits) {
            self.count = count
            self.traits = traits
        }
    }

    /// The behaviour of the interrupts of a kind (`VFIO_IRQ_INFO_EVENTFD` and the flags after it).
    public struct InterruptTraits: OptionSet, Hashable, Sendable {
        /// The flags of VFIO.
        public let rawValue: UInt32
        /// Creates traits from the flags of VFIO.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// The interrupts can be signalled by eventfds.
        public static let eventfd = InterruptTraits(rawValue: 1)
        /// The interrupts can be masked and unmasked one by one.
        public static let maskable = InterruptTraits(rawValue: 2)
        /// Interrupts mask themselves when they occur.
        public static let automasked = InterruptTraits(rawValue: 4)
        /// More vectors cannot be added once some are set up.
        public static let fixedCount = InterruptTraits(rawValue: 8)
    }
}

extension DeviceRecord.RegionNumber {
    /// Creates the region of a BAR or of the ROM, or returns nil for another register.
    public init?(_ register: BaseAddressRegister) {
        switch register {
        case .bar(let number):
            guard (0...5).contains(number) else { return nil }
            self.init(rawValue: UInt32(number))
        case .rom: self = .rom
        case .window, .virtual: return nil
        }
    }
}
