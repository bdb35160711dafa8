internal import Devices

extension DeviceRecord {
    /// Returns the record with the configuration space that the device has after a reset: without addresses in BARs, decode, and
    /// messages that somebody has set up. A record that is taken from a replay of this record equals it.
    public func afterReset() throws(DescriptionError) -> DeviceRecord {
        var record = self
        let description = try functionDescription(hiding: [], asksModel: false)
        record.configuration = try Self.configuration(of: description, size: UInt64(configuration.count))
        return record
    }

    private static func configuration(
        of description: FunctionDescription, size: UInt64
    ) throws(DescriptionError) -> [UInt8] {
        var function = try PCIFunction(description, at: FunctionAddress(requesterID: 0))
        return (0..<size).map { UInt8(truncatingIfNeeded: function.read(at: $0, width: .byte)) }
    }

    /// Creates the record of a device that does what a description says and no more. The areas of its regions are the mapped
    /// pieces, and its configuration space is that after reset.
    public init(_ description: FunctionDescription) throws(DescriptionError) {
        let isExtended =
            description.recording?.bytes.count == 4096 || description.capabilities.contains { $0.version != nil }
        configuration = try Self.configuration(of: description, size: isExtended ? ConfigSpace.size : 256)
        regions = [.configuration: Region(size: UInt64(configuration.count))]
        for register in description.registers {
            guard let number = RegionNumber(register), let size = description.size(of: register) else { continue }
            let mapped = description.pieces(of: register).filter { $0.kind == .mapped }
            var areas: [Range<UInt64>] = []
            for piece in mapped {
                // Memory with more pages than a slot can have is several pieces, and one area.
                if let last = areas.last, last.upperBound == piece.offsets.lowerBound {
                    areas[areas.count - 1] = last.lowerBound..<piece.offsets.upperBound
                } else {
                    areas.append(piece.offsets)
                }
            }
            // As with VFIO, a ROM can be read by calls only.
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
