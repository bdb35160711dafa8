internal import Devices

extension DeviceRecord {
    /// Creates the record of a device that does what a description says and no more. Its areas are the pieces that have memory, and its
    /// configuration space is that after reset.
    public init(_ description: FunctionDescription) throws(DescriptionError) {
        var function = try PCIFunction(description, at: FunctionAddress(requesterID: 0))
        let isExtended = description.capabilities.contains { $0.version != nil }
        configuration = (0..<(isExtended ? ConfigSpace.size : 256)).map { offset in
            UInt8(truncatingIfNeeded: function.read(at: offset, width: .byte))
        }
        regions = [.configuration: Region(size: UInt64(configuration.count))]
        for register in description.registers {
            guard let number = RegionNumber(register), let size = description.size(of: register) else { continue }
            let mapped = description.pieces(of: register).filter { $0.kind == .mapped }
            var areas: [Range<UInt64>] = []
            for piece in mapped {
                // What has more pages than a slot is several pieces, and one area.
                if let last = areas.last, last.upperBound == piece.offsets.lowerBound {
                    areas[areas.count - 1] = last.lowerBound..<piece.offsets.upperBound
                } else {
                    areas.append(piece.offsets)
                }
            }
            // A ROM is read by calls only, as with VFIO.
            regions[number] = Region(
                size: size, isWritable: register != .rom, areas: register == .rom ? [] : areas)
        }
        let vectors: [(InterruptKind, Int?)] = [(.msi, description.msiVectors), (.msix, description.msix?.vectors)]
        interrupts = [:]
        for case (let kind, let count?) in vectors {
            interrupts[kind] = Interrupts(count: UInt32(truncatingIfNeeded: count), traits: .eventfd)
        }
        canReset = true
    }
}
