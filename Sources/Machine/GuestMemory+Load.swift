internal import Board
internal import Host
internal import Images
internal import Memslots
internal import PCI

extension GuestMemory {
    /// Maps the RAM, the extra slots and what PCI functions decode, in one transaction; how long that took.
    mutating func populate(
        _ configuration: MachineConfiguration, _ pci: inout PCIDevices?
    ) throws(MachineError) -> Duration {
        let ram = try allocate(configuration.memory)
        var mappings = try allocateFunctions(&pci)
        mappings += RAMLayout(memory: configuration.memory).mappings(of: ram)
        for slot in configuration.extraSlots {
            let backing = try allocate(slot.range.size)
            mappings.append(Mapping(range: slot.range, backing: backing, access: slot.access, owner: .extra))
        }
        if !configuration.mayExhaustHost {
            // What the guest is to assign counts too.
            let later = configuration.assignsAddresses ? [] : pci?.backedRegisters.map(\.size) ?? []
            try Footprint.checkHostMemory { mmu in
                (mappings.map(\.range.size) + later).reduce(0) {
                    $0 + Footprint.kernelBytes(pages: $1 >> Page.shift, mmu: mmu)
                }
            }
        }
        let start = SuspendingClock.now
        try change(adding: mappings)
        let time = SuspendingClock.now - start
        for slot in configuration.extraSlots {
            label(slot.range)
        }
        return time
    }

    /// Gives the BARs and ROMs of functions their host memory; the mappings of what they decode.
    private mutating func allocateFunctions(_ pci: inout PCIDevices?) throws(MachineError) -> [Mapping] {
        for (owner, size) in pci?.backedRegisters ?? [] {
            let backing = try allocate(size)
            pci?.setBacking(backing, of: owner)
            if owner.register == .rom {
                installer.file.write(Self.romSignature.span, at: backing.offset)
            }
        }
        return pci?.allMappings() ?? []
    }

    /// What software knows a ROM by (PCI 3.0, 6.3.1.1).
    private static let romSignature: [UInt8] = [0x55, 0xaa]

    /// Lets each page of a range begin with its own guest address.
    private func label(_ range: GuestRange) {
        for page in 0..<range.pages {
            guard let address = range.first.advanced(by: page << Page.shift) else { return }
            _ = write(littleEndian([address.rawValue]), at: address)
        }
    }

    /// Copies the boot data and the image into guest memory.
    func load(
        _ image: Image, bytes: [UInt8], with bootData: [StartState.BootData]
    ) throws(MachineError) {
        for data in bootData {
            let range = GuestRange(first: data.address, size: UInt64(data.bytes.count))
            for segment in image.segments where range?.overlaps(segment.range) == true {
                throw .imagePlacement(
                    "the image at \(segment.range) lies over \(data.what) at \(data.address): load it elsewhere "
                        + "(--load-address), from \(hexadecimal(BootMemory.stackTop)) on")
            }
            guard write(data.bytes, at: data.address) else {
                throw .configuration(
                    "the memory is too small to hold \(data.what) at \(data.address): give the guest more (--memory)")
            }
        }
        for segment in image.segments {
            guard isRAM(segment.range), write(bytes.span.extracting(segment.bytes), at: segment.range.first) else {
                throw .imagePlacement(
                    "the image needs memory at \(segment.range), where the guest has none: give it more memory (--memory), or load or "
                        + "link it lower")
            }
        }
    }

    /// Whether all of a range is mapped, also the part that stays zero.
    private func isRAM(_ range: GuestRange) -> Bool {
        var next = range.first
        for mapping in space.mappings(in: range) {
            guard mapping.range.contains(next) else { return false }
            guard mapping.range.last < range.last, let behind = mapping.range.last.advanced(by: 1) else { return true }
            next = behind
        }
        return false
    }
}
