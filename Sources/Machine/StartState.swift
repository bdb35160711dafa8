package import Board
internal import Firmware
package import Images
package import KVM
package import Memslots

/// The state in which the first vCPU starts, and the data in low memory for it. `guests/README.md` describes both for people
/// who write guests.
package struct StartState {
    /// Bytes that the monitor puts into guest memory before the image.
    private(set) var bootData: [BootData] = []
    private(set) var registers = GeneralRegisters()
    private let mode: CPUMode
    private let entry: UInt64
    private var pageTableRoot: UInt64 = 0
    /// The end of what the page tables map, or 0 without paging.
    private(set) var mappedEnd: UInt64 = 0
    /// Whether a table in memory (GDT) has the segments with which the guest starts.
    private var hasGDT = true
    private var codeSelector: UInt16 = 0x08

    private var dataSelector: UInt16 { codeSelector + 8 }

    /// Makes the state for an image without a boot protocol. The state for Linux builds on it.
    ///
    /// - Throws: An error if the mode cannot reach the entry or the RAM.
    package init(
        mode: CPUMode, entry: GuestAddress, ram: RAMLayout, vcpus: Int, hasGigabytePages: Bool,
        codeSelector: UInt16 = 0x08
    ) throws(MachineError) {
        self.mode = mode
        self.entry = entry.rawValue
        self.codeSelector = codeSelector
        registers.rdi = ram.low >> Page.shift
        registers.rsi = ram.high >> Page.shift
        registers.rdx = UInt64(vcpus)
        switch mode {
        case .real:
            guard entry.rawValue % 16 == 0, entry.rawValue < 1 << 20 else {
                throw .imagePlacement(.entryInRealMode(entry))
            }
            registers.rip = 0
            registers.rsp = 0xfff0
        case .protected, .long:
            guard mode == .long || entry.rawValue < 1 << 32 else {
                throw .imagePlacement(.entryInProtectedMode(entry))
            }
            registers.rip = entry.rawValue
            registers.rsp = BootMemory.stackTop
            bootData.append(BootData(address: GuestAddress(BootMemory.gdt), bytes: gdt, what: "the GDT"))
        }
        if mode == .long {
            let tables = try IdentityMap(ram: ram, hasGigabytePages: hasGigabytePages)
            bootData += tables.data
            pageTableRoot = tables.root
            mappedEnd = tables.end
        }
    }

    /// Makes the state in which a multiboot kernel (Multiboot Specification 0.6.96, 3.2; Multiboot2 Specification 2.0, 3.5) or a PVH
    /// kernel (start_info.h of Xen) starts: 32-bit protected mode, and no table in memory for the segments.
    ///
    /// - Parameters:
    ///   - info: The address of the boot information.
    ///   - magic: The value by which the kernel recognises its boot loader, or 0.
    ///   - stackTop: The end of the stack, or nil if the kernel gets none.
    init(
        entry: GuestAddress, info: GuestAddress, _ data: [BootData], magic: UInt32 = 0, stackTop: GuestAddress? = nil
    ) {
        mode = .protected
        self.entry = entry.rawValue
        hasGDT = false
        bootData = data
        registers.rip = entry.rawValue
        registers.rax = UInt64(magic)
        registers.rbx = info.rawValue
        registers.rsp = stackTop?.rawValue ?? 0
    }

    /// Makes the state in which Linux starts at its 64-bit entry (Documentation/arch/x86/boot.rst): long mode, and a table in
    /// memory with segments at Linux's selectors. Linux makes page tables of its own before it looks at addresses above 4 GiB.
    init(linux info: KernelInfo, entry: GuestAddress) throws(MachineError) {
        try self.init(
            mode: .long, entry: entry, ram: RAMLayout(memory: 0), vcpus: 1, hasGigabytePages: false, codeSelector: 0x10)
        registers = GeneralRegisters()
        registers.rip = entry.rawValue
        registers.rsp = BootMemory.stackTop
        registers.rsi = info.address.rawValue
        bootData += info.data
    }

    /// Sets registers to values other than the usual ones, and adds boot data.
    mutating func add(_ presets: [GeneralRegisters.Name: UInt64], _ data: [BootData]) {
        for (name, value) in presets { registers[name] = value }
        bootData += data
    }

    /// Sets the system registers of a vCPU that has just been reset.
    package func apply(to system: inout SystemRegisters) {
        switch mode {
        case .real:
            let segment = UInt16(truncatingIfNeeded: entry / 16)
            system.cs = .realMode(selector: segment, type: 0xb)
            let data = SegmentRegister.realMode(selector: segment, type: 0x3)
            (system.ds, system.es, system.ss) = (data, data, data)
        case .protected, .long:
            system.cs = .flatCode(selector: codeSelector, is64Bit: mode == .long)
            let data = SegmentRegister.flatData(selector: dataSelector)
            (system.ds, system.es, system.fs, system.gs, system.ss) = (data, data, data, data, data)
            system.tr = .busyTSS
            system.gdt.base = hasGDT ? BootMemory.gdt : 0
            system.gdt.limit = hasGDT ? UInt16(gdt.count - 1) : 0
            system.idt.base = 0
            system.idt.limit = 0
            // The bits are PE, MP, ET and NE (SDM volume 3A, 2.5). PG and the other bits of paging follow below.
            system.cr0 = 0x33
        }
        if mode == .long {
            system.cr3 = pageTableRoot
            system.cr4 = 1 << 5  // PAE
            system.cr0 |= 1 << 31  // PG
            system.efer = 1 << 8 | 1 << 10  // LME, LMA
        }
    }

    /// The bytes of the GDT: zeros up to the code segment, then code and data, which are flat segments of 4 GiB.
    private var gdt: [UInt8] {
        let code: UInt64 = mode == .long ? 0x00af_9b00_0000_ffff : 0x00cf_9b00_0000_ffff
        return littleEndian([UInt64](repeating: 0, count: Int(codeSelector / 8)) + [code, 0x00cf_9300_0000_ffff])
    }
}

/// Page tables that map all RAM and the devices' addresses below 4 GiB to themselves.
private struct IdentityMap {
    let root = BootMemory.pageTables
    /// The address behind the last one that is mapped.
    let end: UInt64
    private(set) var data: [BootData] = []

    private static let gigabyte: UInt64 = 1 << 30
    private static let entries: UInt64 = 512
    private static let present: UInt64 = 1 << 0
    private static let writable: UInt64 = 1 << 1
    private static let isPage: UInt64 = 1 << 7

    /// The number of page-directory-pointer tables for which there is room in low memory, behind the root. Each maps 512 GiB.
    private static let limit = (BootMemory.pageTablesEnd - BootMemory.pageTables) / Page.size - 1

    init(ram: RAMLayout, hasGigabytePages: Bool) throws(MachineError) {
        // One page behind the RAM is mapped as well, so that guests can look for its end.
        let (end, overflow) = max(ram.end, RAMLayout.highStart).addingReportingOverflow(Page.size)
        let gigabytes = (end - 1) / Self.gigabyte + 1
        let pointerTables = (gigabytes - 1) / Self.entries + 1
        guard !overflow, pointerTables <= Self.limit else {
            throw .configuration(.pageTables(end: ram.end, most: Self.limit * Self.entries))
        }
        self.end = gigabytes * Self.gigabyte
        let firstPointerTable = root + Page.size
        appendTable(
            at: root, (0..<pointerTables).map { firstPointerTable + $0 * Page.size | Self.present | Self.writable })

        if hasGigabytePages {
            appendTable(at: firstPointerTable, (0..<gigabytes).map { $0 * Self.gigabyte | Self.page })
            return
        }
        let directories = Self.directories(count: gigabytes, behind: firstPointerTable + pointerTables * Page.size, ram)
        appendTable(
            at: firstPointerTable, (0..<gigabytes).map { directories + $0 * Page.size | Self.present | Self.writable })
        appendTable(
            at: directories, (0..<gigabytes * Self.entries).map { $0 * (Self.gigabyte / Self.entries) | Self.page })
    }

    private static let page = present | writable | isPage

    /// Returns the address of the page directories: in low memory if they fit there, else 64 KiB below the end of the RAM below 3 GiB.
    private static func directories(count: UInt64, behind lowest: UInt64, _ ram: RAMLayout) -> UInt64 {
        lowest + count * Page.size <= BootMemory.pageTablesEnd ? lowest : ram.low - 0x10000 - count * Page.size
    }

    private mutating func appendTable(at address: UInt64, _ entries: [UInt64]) {
        data.append(
            BootData(address: GuestAddress(address), bytes: littleEndian(entries), what: "the page tables"))
    }
}

/// Returns 64-bit numbers as they lie in memory.
func littleEndian(_ numbers: [UInt64]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(numbers.count * 8)
    for number in numbers {
        for shift in stride(from: 0, to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
        }
    }
    return bytes
}

extension SegmentRegister {
    /// Creates a segment of code or data, for 16 bits and with a limit in bytes.
    private init(selector: UInt16, type: UInt8, base: UInt64 = 0, limit: UInt32) {
        self.init()
        (self.selector, self.type, self.base, self.limit) = (selector, type, base, limit)
        isPresent = true
        isCodeOrData = true
    }

    fileprivate static func realMode(selector: UInt16, type: UInt8) -> SegmentRegister {
        SegmentRegister(selector: selector, type: type, base: UInt64(selector) * 16, limit: 0xffff)
    }

    fileprivate static func flatCode(selector: UInt16, is64Bit: Bool) -> SegmentRegister {
        var segment = flatData(selector: selector)
        segment.type = 0xb
        segment.is64Bit = is64Bit
        segment.is32Bit = !is64Bit
        return segment
    }

    fileprivate static func flatData(selector: UInt16) -> SegmentRegister {
        var segment = SegmentRegister(selector: selector, type: 0x3, limit: .max)
        segment.is32Bit = true
        segment.hasPageGranularity = true
        return segment
    }

    /// A busy task-state segment, because processors enter a guest in protected mode only if the task register holds one.
    fileprivate static var busyTSS: SegmentRegister {
        var segment = SegmentRegister(selector: 0, type: 0xb, limit: 0x67)
        segment.isCodeOrData = false
        return segment
    }
}
