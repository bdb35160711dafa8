public import Board
public import Memslots

/// The tables by which a guest finds its processors, interrupt controllers, PCI buses and the power switch (ACPI 6.5, 5.2).
///
/// The tables lie one behind the other in the memory where a PC has its ROMs. They begin with the RSDP, which guests look for there.
public struct ACPITables: Equatable, Sendable {
    /// A segment: its number, its configuration space by memory from bus 0 on, and the host bridges that lead to its root buses.
    public typealias Segment = (number: UInt16, ecam: GuestRange, bridges: [HostBridge])
    /// A host bridge: its root bus with the buses behind that, and the memory and the ports in which BARs of functions there
    /// may lie. No other host bridge has the same memory or ports.
    public typealias HostBridge = (buses: ClosedRange<UInt8>, memory: [GuestRange], ports: [ClosedRange<UInt16>])

    /// The bytes of all tables, from the RSDP on.
    public let data: BootData

    /// Makes the tables, and finds a place for them.
    ///
    /// - Parameters:
    ///   - processors: The number of processors. Their APIC ids begin at 0.
    ///   - segments: The segments with functions.
    ///   - isFull: Whether the machine has the registers of ACPI from before the hardware-reduced kind: the PM timer, and the
    ///     event and control registers with an interrupt (SCI).
    ///   - taken: The ranges of the image, which the tables must not overlap.
    ///   - ram: The places of the RAM.
    /// - Throws: `FirmwareError.noRoomForTables` if the image leaves no room for the tables.
    public init(
        processors: Int, segments: [Segment], isFull: Bool, beside taken: [GuestRange], ram: RAMLayout
    ) throws(FirmwareError) {
        // The size of a table does not depend on addresses. So all addresses follow from the sizes, before the contents are made.
        var fixed = [Self.table("APIC", revision: 5, Self.madt(processors, isFull: isFull))]
        if !segments.isEmpty { fixed.append(Self.table("MCFG", revision: 1, Self.mcfg(segments))) }
        let dsdt = Self.table("DSDT", revision: 2, Self.dsdt(segments).flatMap(\.bytes))
        let facs = isFull ? Array("FACS".utf8) + littleEndian(64, 28) + littleEndian(2, 32) : []
        let sizes = [36, 36 + 8 * (fixed.count + 1), 276, dsdt.count, facs.count] + fixed.map(\.count)
        let size = sizes.reduce(0) { $0 + Self.aligned($1) }
        var memory = FreeMemory(end: ram.low, taken: taken)
        guard
            let address = memory.take(UInt64(size), from: BootMemory.firmwareROMs, to: BootMemory.extended)
        else { throw .noRoomForTables(size: size) }
        var places: [UInt64] = []
        var next = address
        for size in sizes {
            places.append(next)
            next += UInt64(Self.aligned(size))
        }
        let fadt = Self.table(
            "FACP", revision: 6, Self.fadt(dsdt: places[3], facs: isFull ? places[4] : 0))
        let xsdt = Self.table(
            "XSDT", revision: 1, ([places[2]] + places.dropFirst(5)).flatMap { littleEndian($0, 8) })
        let tables = [Self.rsdp(xsdt: places[1]), xsdt, fadt, dsdt, facs] + fixed
        data = BootData(
            address: GuestAddress(address),
            bytes: tables.flatMap { $0 + [UInt8](repeating: 0, count: Self.aligned($0.count) - $0.count) },
            what: "the ACPI tables")
    }

    /// Returns a size rounded up to 64 bytes, because the FACS must be aligned so.
    private static func aligned(_ size: Int) -> Int { (size + 63) / 64 * 64 }

    private static let maker = Array("SWFLETSWIFTLET".utf8)

    /// Returns a table: its header with the checksum, and its body.
    private static func table(_ signature: String, revision: UInt8, _ body: [UInt8]) -> [UInt8] {
        var table = Array(signature.utf8) + littleEndian(36 + body.count, 4) + [revision, 0] + maker
        table += littleEndian(1, 4) + Array("SWFT".utf8) + littleEndian(1, 4) + body
        table[9] = checksum(table)
        return table
    }

    /// Returns the RSDP (5.2.5.3), which has the address of the XSDT.
    private static func rsdp(xsdt: UInt64) -> [UInt8] {
        var rsdp = Array("RSD PTR ".utf8) + [0] + maker.prefix(6) + [2] + littleEndian(0, 4) + littleEndian(36, 4)
        rsdp += littleEndian(xsdt, 8) + littleEndian(0, 4)
        rsdp[8] = checksum(rsdp[..<20])
        rsdp[32] = checksum(rsdp)
        return rsdp
    }

    /// Returns the body of the MCFG, which gives the addresses of configuration space by memory (PCI Firmware Specification 3.3, 4.1.2).
    private static func mcfg(_ segments: [Segment]) -> [UInt8] {
        var body = littleEndian(0, 8)
        for segment in segments {
            body += littleEndian(segment.ecam.first.rawValue, 8) + littleEndian(segment.number, 2)
            body += [0, UInt8(truncatingIfNeeded: segment.ecam.size / AddressMap.ecamBytesPerBus - 1), 0, 0, 0, 0]
        }
        return body
    }
}

/// Returns the byte that makes the sum of all bytes 0.
func checksum(_ bytes: some Sequence<UInt8>) -> UInt8 {
    0 &- bytes.reduce(0, &+)
}
