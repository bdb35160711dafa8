internal import Board
internal import Memslots

// MARK: - Processors and the power switch

extension ACPITables {
    /// Returns the body of the MADT (5.2.12): the local APICs, the I/O APIC, and the line of the ISA bus that has the SCI.
    static func madt(_ processors: Int, isFull: Bool) -> [UInt8] {
        // PCAT_COMPAT: the machine has two PICs as well.
        var body = littleEndian(BoardInterrupts.localAPIC, 4) + littleEndian(1, 4)
        for id in 0..<processors {
            // An id above 254 needs the entry for x2APICs.
            body +=
                id < 0xff
                ? [0, 8, UInt8(id), UInt8(id)] + littleEndian(1, 4)
                : [9, 16, 0, 0] + littleEndian(id, 4) + littleEndian(1, 4) + littleEndian(id, 4)
        }
        body += [1, 12, 0, 0] + littleEndian(BoardInterrupts.ioAPIC, 4) + littleEndian(0, 4)
        // The SCI is level-triggered and active high.
        if isFull { body += [2, 10, 0, BoardInterrupts.sci] + littleEndian(BoardInterrupts.sci, 4) + [0x0d, 0] }
        // Local interrupt pin 1 of each local APIC receives the NMI.
        return body + [4, 6, 0xff, 0, 0, 1]
    }

    /// Returns the body of the FADT (5.2.9), which describes the fixed registers.
    ///
    /// - Parameters:
    ///   - dsdt: The address of the DSDT.
    ///   - facs: The address of the FACS, or 0 for hardware-reduced ACPI, which lacks the older registers.
    static func fadt(dsdt: UInt64, facs: UInt64) -> [UInt8] {
        let isFull = facs != 0
        var fadt = [UInt8](repeating: 0, count: 276)
        func put(_ value: some FixedWidthInteger, _ size: Int, at offset: Int) {
            fadt.replaceSubrange(offset..<offset + size, with: littleEndian(value, size))
        }
        /// Puts the address of a register at a port as a generic address structure (5.2.3.2). The register has `bytes` bytes.
        func put(port: UInt64, bytes: Int, at offset: Int) {
            fadt[offset...].replaceSubrange(
                offset..<offset + 12, with: [1, UInt8(bytes * 8), 0, UInt8(min(bytes, 3))] + littleEndian(port, 8))
        }
        put(facs, 4, at: 36)
        put(dsdt, 4, at: 40)
        put(dsdt, 8, at: 140)
        // The machine has no VGA (bit 2) and no real-time clock (bit 5). Neither does it have a keyboard controller or other
        // old devices, whose bits are clear.
        put(1 << 2 | 1 << 5, 2, at: 109)
        // WBINVD (bit 0), the state C1 (2), no power button (4) and no sleep button (5) in the fixed registers, and the reset
        // register (10). The DSDT has no buttons either.
        var features: UInt32 = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 10
        put(port: BoardPorts.resetControl, bytes: 1, at: 116)
        fadt[128] = 6  // the value that resets: bits 1 and 2
        fadt[131] = 5  // the minor version
        if isFull {
            features |= 1 << 8  // the timer has 32 bits
            fadt[46] = BoardInterrupts.sci
            // The offsets of the 32-bit address, of the address structure and of the length. Then the port and its size in bytes.
            for (place, wide, length, port, bytes) in [
                (56, 148, 88, BoardPorts.powerEvents, 4), (64, 172, 89, BoardPorts.powerControl, 2),
                (76, 208, 91, BoardPorts.powerTimer, 4),
            ] {
                put(port, 4, at: place)
                put(port: port, bytes: bytes, at: wide)
                fadt[length] = UInt8(bytes)
            }
            // The processor has no power state but C1: the latencies of the others are too long for use.
            put(0xffff, 2, at: 96)
            put(0xffff, 2, at: 98)
        } else {
            features |= 1 << 20  // HW_REDUCED_ACPI
            put(port: BoardPorts.sleepControl, bytes: 1, at: 244)
            put(port: BoardPorts.sleepControl + 1, bytes: 1, at: 256)
        }
        put(features, 4, at: 112)
        return Array(fadt[36...])
    }
}

// MARK: - Devices

extension ACPITables {
    /// Returns the statements of the DSDT: the serial port, the memory of configuration space, the host bridges and the sleep type of S5.
    static func dsdt(_ segments: [Segment]) -> [AML] {
        let com1 = AML.device(
            "COM1",
            [
                .name("_HID", .eisaID("PNP0501")), .name("_UID", .integer(0)),
                .name(
                    "_CRS", .resources([.ports(UInt16(BoardPorts.serial), count: 8), .line(BoardInterrupts.serial)])),
            ])
        // Linux accesses configuration space by memory only if a device of the board has that memory.
        let board = AML.device(
            "MBRD",
            [
                .name("_HID", .eisaID("PNP0C02")), .name("_UID", .integer(0)),
                .name("_CRS", .resources(segments.map { .memory($0.ecam) })),
            ])
        let bridges = segments.flatMap { segment in segment.bridges.map { (segment.number, $0) } }
        let devices = bridges.enumerated().map { device($1.1, segment: $1.0, number: $0) }
        return [
            .scope("\\_SB", [com1] + (segments.isEmpty ? [] : [board, .name("PRTS", routing)] + devices)),
            // The type of sleep that switches the machine off.
            .name(
                "\\_S5", .package([.integer(UInt64(BoardPorts.sleepTypeOff)), .integer(0), .integer(0), .integer(0)])),
        ]
    }

    /// Returns the name of a host bridge, which has four characters: `P000`, `P001` and so on, in digits of base 36.
    static func name(ofBridge number: Int) -> String {
        String(25 * 36 * 36 * 36 + number, radix: 36, uppercase: true)
    }

    private static func device(_ bridge: HostBridge, segment: UInt16, number: Int) -> AML {
        let configuration = segment == 0 && bridge.buses.lowerBound == 0
        var resources: [AMLResource] = [.buses(bridge.buses)]
        if configuration { resources.append(.ports(UInt16(BoardPorts.configuration.lowerBound), count: 8)) }
        resources += bridge.ports.map { .portWindow($0) } + bridge.memory.map { .memoryWindow($0) }
        return .device(
            name(ofBridge: number),
            [
                .name("_HID", .eisaID("PNP0A08")), .name("_CID", .eisaID("PNP0A03")),
                .name("_UID", .integer(UInt64(number))), .name("_SEG", .integer(UInt64(segment))),
                .name("_BBN", .integer(UInt64(bridge.buses.lowerBound))), .name("_CCA", .integer(1)),
                .name("_CRS", .resources(resources)),
                .method("_PRT", arguments: 0, [.return(.reference("PRTS"))]),
                // The guest may control whatever it asks for, hot plug too: no firmware keeps control of anything.
                .method("_OSC", arguments: 4, [.return(.argument(3))]),
            ])
    }

    /// The interrupt line of each pin of each device on a root bus (ACPI 6.5, 6.2.13).
    private static var routing: AMLValue {
        .package(
            (0..<32).flatMap { device in
                (0..<4).map { pin in
                    .package([
                        .integer(UInt64(device) << 16 | 0xffff), .integer(UInt64(pin)), .integer(0),
                        .integer(UInt64(BoardInterrupts.line(ofDevice: device, pin: pin))),
                    ])
                }
            })
    }
}
