/// A structure of a function that lies in one of its BARs.
struct DescriptionPart {
    let name: DescriptionError.Part
    let location: BARLocation
    /// The length in bytes.
    let length: UInt64

    var offsets: Range<UInt64> {
        location.offset..<location.offset &+ length
    }
}

extension FunctionDescription {
    /// The MSI-X structures (PCI 3.0, 6.8.2) and the doorbell.
    var parts: [DescriptionPart] {
        var parts: [DescriptionPart] = []
        parts.reserveCapacity(3)
        if let msix {
            let vectors = UInt64(msix.vectors)
            parts.append(DescriptionPart(name: .table, location: msix.table, length: 16 * vectors))
            parts.append(
                DescriptionPart(name: .pendingBits, location: msix.pendingBits, length: (vectors + 63) / 64 * 8))
        }
        if let doorbell {
            parts.append(DescriptionPart(name: .doorbell, location: doorbell, length: 8))
        }
        return parts
    }
}
