internal import Board
public import Memslots

/// The boot information of a kernel that is started by Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst) or by PVH
/// (start_info.h of Xen), with its place and the places of the modules. All of it lies in RAM below 3 GiB, beside the image.
public struct KernelInfo: Equatable, Sendable {
    /// The address of the structure from which the kernel finds everything else.
    public let address: GuestAddress
    /// The structure with the lists and the command line behind it, and the modules.
    public let data: [BootData]

    /// Makes boot parameters for Linux, and finds places for them and the initial RAM disk.
    ///
    /// - Parameters:
    ///   - header: The setup header of the kernel, which begins at `headerOffset` in the boot parameters.
    ///   - commandLineSize: The largest number of bytes that the kernel takes as a command line (`cmdline_size`).
    ///   - initrdAddressMax: The last address that the kernel takes for the initial RAM disk (`initrd_addr_max`).
    ///   - commandLine: The command line, without the zero that ends it.
    ///   - modules: The initial RAM disk, or nothing.
    public init(
        linux header: [UInt8], at headerOffset: Int, commandLineSize: UInt32, initrdAddressMax: UInt32,
        _ memory: KernelMemory, commandLine: [UInt8], modules: [[UInt8]]
    ) throws(FirmwareError) {
        guard commandLine.count <= commandLineSize else {
            throw .commandLineTooLong(commandLine.count, most: commandLineSize)
        }
        guard modules.count <= 1 else { throw .manyModules(modules.count) }
        let map = memory.map
        var (free, places) = try memory.placeModules(modules.map(\.count))
        let address = try free.takeInformation(4096 + commandLine.count + 1)
        if let end = places.first?.upperBound, end > UInt64(initrdAddressMax) + 1 {
            throw .initrdTooHigh(end: end, most: initrdAddressMax)
        }
        var page = [UInt8](repeating: 0, count: 4096)
        func put(_ value: some FixedWidthInteger, _ size: Int, at offset: Int) {
            page.replaceSubrange(offset..<offset + size, with: littleEndian(value, size))
        }
        page.replaceSubrange(headerOffset..<headerOffset + header.count, with: header)
        put(memory.tables?.rawValue ?? 0, 8, at: 0x70)
        put(map.count, 1, at: 0x1e8)
        put(0xff, 1, at: 0x210)  // type_of_loader: a loader without a number of its own
        put(places.first?.lowerBound ?? 0, 4, at: 0x218)
        put(modules.first?.count ?? 0, 4, at: 0x21c)
        put(address + 4096, 4, at: 0x228)
        for (index, entry) in map.enumerated() {
            page.replaceSubrange(0x2d0 + 20 * index..<0x2d0 + 20 * (index + 1), with: entry.bytes(typeSize: 4))
        }
        self.init(address, page + commandLine + [0], places, modules)
    }

    /// Makes start information for PVH, and finds places for it and the modules.
    ///
    /// - Parameters:
    ///   - commandLine: The command line, without the zero that ends it.
    ///   - modules: The modules. Linux takes the first for its initial RAM disk.
    public init(pvh memory: KernelMemory, commandLine: [UInt8], modules: [[UInt8]]) throws(FirmwareError) {
        let map = memory.map
        let mapOffset = 56 + 32 * modules.count
        let textOffset = mapOffset + 24 * map.count
        var (free, places) = try memory.placeModules(modules.map(\.count))
        let address = try free.takeInformation(textOffset + commandLine.count + 1)
        func pointer(to offset: Int) -> [UInt8] { littleEndian(address + UInt64(offset), 8) }
        var info =
            littleEndian(0x336e_c578, 4) + littleEndian(1, 4) + littleEndian(0, 4) + littleEndian(modules.count, 4)
        info += modules.isEmpty ? littleEndian(0, 8) : pointer(to: 56)
        info += pointer(to: textOffset) + littleEndian(memory.tables?.rawValue ?? 0, 8)
        info += pointer(to: mapOffset) + littleEndian(map.count, 8)
        for place in places {
            info += littleEndian(place.lowerBound, 8) + littleEndian(place.count, 8) + littleEndian(0, 16)
        }
        info += map.flatMap { $0.bytes(typeSize: 8) }
        self.init(address, info + commandLine + [0], places, modules)
    }

    private init(_ address: UInt64, _ info: [UInt8], _ places: [Range<UInt64>], _ modules: [[UInt8]]) {
        self.address = GuestAddress(address)
        data =
            [BootData(address: GuestAddress(address), bytes: info, what: "the boot information")]
            + zip(places, modules).enumerated().map { index, module in
                BootData(address: GuestAddress(module.0.lowerBound), bytes: module.1, what: "module \(index)")
            }
    }
}
