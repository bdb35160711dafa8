public import Board
public import Memslots

/// The data that the firmware of a PC leaves in conventional memory: the BIOS data area and the extended BIOS data area (EBDA),
/// with a table of the processors and interrupt controllers.
public struct PCMemory: Equatable, Sendable {
    /// The processors of a machine with interrupt controllers.
    public struct Processors: Hashable, Sendable {
        /// The number of processors. Their APIC ids begin at 0.
        public var count: Int
        /// EAX of CPUID leaf 1: family, model and stepping.
        public var signature: UInt32
        /// EDX of CPUID leaf 1.
        public var features: UInt32

        /// Creates the description of processors.
        public init(count: Int, signature: UInt32, features: UInt32) {
            self.count = count
            self.signature = signature
            self.features = features
        }
    }

    /// The code at the firmware's entry, which resets the machine. Linux jumps there, in real mode, if hardware-reduced ACPI
    /// promises firmware of EFI and there is none.
    public static let entry = BootData(
        address: GuestAddress(BootMemory.firmwareEntry),
        // mov al, 6; mov dx, the port of the reset control register; out dx, al; hlt
        bytes: [0xb0, 6, 0xba] + littleEndian(BoardPorts.resetControl, 2) + [0xee, 0xf4],
        what: "the entry of the firmware")

    /// The EBDA and the BIOS data area, as far as the image leaves room for them.
    public let data: [BootData]
    /// The end of the conventional memory that is free for the guest, where the EBDA begins.
    public let conventionalEnd: UInt64

    /// Makes the data.
    ///
    /// - Parameters:
    ///   - ram: The places of the RAM.
    ///   - processors: The processors, or nil on a machine without interrupt controllers, which has no table.
    ///   - taken: The ranges of the image. If the image lies over the place of the EBDA, there is no EBDA. If it lies over
    ///     the BIOS data area, there is no data at all.
    public init(ram: RAMLayout, processors: Processors?, beside taken: [GuestRange]) {
        let top = min(ram.low, BootMemory.conventionalEnd)
        var data: [BootData] = []
        var end = top
        var kibibytes: UInt64 = 0
        if let processors, ram.low >= BootMemory.conventionalEnd {
            // The EBDA begins with its size in KiB. The table is behind it, at a multiple of 16.
            kibibytes = (16 + UInt64(MultiProcessorTable(processors, at: 0).bytes.count) + 1023) >> 10
            let table = MultiProcessorTable(processors, at: top - kibibytes << 10 + 16)
            let bytes = littleEndian(kibibytes, 16) + table.bytes
            let ebda = BootData(
                address: GuestAddress(top - kibibytes << 10), bytes: bytes, what: "the extended BIOS data area")
            if Self.isFree(ebda, beside: taken) {
                data.append(ebda)
                end = ebda.address.rawValue
            }
        }
        let bda = Self.biosData(end: end, hasEBDA: end < top)
        conventionalEnd = end
        self.data = Self.isFree(bda, beside: taken) ? data + [bda] : []
    }

    private static func isFree(_ data: BootData, beside taken: [GuestRange]) -> Bool {
        !taken.contains { data.range?.overlaps($0) ?? false }
    }

    /// Returns the BIOS data area from 0x40e on: at 0x40e the segment of the EBDA, or 0 if there is none, and at 0x413 the size
    /// of conventional memory in KiB.
    private static func biosData(end: UInt64, hasEBDA: Bool) -> BootData {
        let bytes = littleEndian(hasEBDA ? end >> 4 : 0, 2) + [0, 0, 0] + littleEndian(end >> 10, 2)
        return BootData(
            address: GuestAddress(BootMemory.biosData + 0xe), bytes: bytes, what: "the BIOS data area")
    }
}

/// The table by which a PC without ACPI describes its processors and interrupt controllers (MultiProcessor Specification 1.4, 4).
private struct MultiProcessorTable {
    /// The floating pointer, and the table behind it.
    let bytes: [UInt8]

    /// The largest number of processors that can have APIC ids of 8 bits: one id is the I/O APIC's, and one means all APICs.
    private static let most = 254
    /// The number of lines of an ISA bus.
    private static let lines: UInt8 = 16

    init(_ processors: PCMemory.Processors, at address: UInt64) {
        let count = min(processors.count, Self.most)
        let ioAPIC = UInt8(count)
        var entries: [[UInt8]] = (0..<count).map { id in
            // The version of the APIC, then flags: enabled (bit 0), and first processor (bit 1).
            [0, UInt8(id), 0x14, id == 0 ? 3 : 1] + littleEndian(processors.signature, 4)
                + littleEndian(processors.features, 4) + [UInt8](repeating: 0, count: 8)
        }
        entries.append([1, 0] + Array("ISA   ".utf8))
        entries.append([2, ioAPIC, 0x11, 1] + littleEndian(BoardInterrupts.ioAPIC, 4))
        entries += (0..<Self.lines).map { [3, 0, 0, 0, 0, $0, ioAPIC, $0] }
        // Local interrupt pin 0 of each local APIC receives the interrupts of the PICs (ExtINT), pin 1 the NMI.
        entries += [[4, 3, 0, 0, 0, 0, 0xff, 0], [4, 1, 0, 0, 0, 0, 0xff, 1]]
        let body = entries.flatMap { $0 }
        let size = 44 + body.count
        var table = Array("PCMP".utf8) + littleEndian(size, 2) + [4, 0]
        table += Array("SWIFTLET".utf8) + Array("MACHINE     ".utf8) + littleEndian(0, 6)
        table += littleEndian(entries.count, 2) + littleEndian(BoardInterrupts.localAPIC, 4) + littleEndian(0, 4) + body
        table[7] = checksum(table)
        // The table has one unit of 16 bytes and revision 4, and it is there (feature byte 1 is 0).
        var pointer = Array("_MP_".utf8) + littleEndian(address + 16, 4) + [1, 4, 0] + littleEndian(0, 5)
        pointer[10] = checksum(pointer)
        bytes = pointer + table
    }
}
