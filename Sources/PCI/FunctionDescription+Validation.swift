extension FunctionDescription {
    /// Throws the first reason why no function can be made from the description.
    public func validate() throws(DescriptionError) {
        guard classCode >> 24 == 0 else { throw .classCode(classCode) }
        for number in bars.keys.sorted() {
            guard let bar = bars[number] else { continue }
            try validate(bar, number)
        }
        if bridge != nil {
            let hasOthers = bars.contains { $0.key > 1 || $0.key == 1 && $0.value.kind == .memory64 }
            guard bridge?.hasSlot == false || slotCapability != nil else { throw .slotCapability }
            guard !hasOthers, romSize == nil, virtualBARs.isEmpty else { throw .bridgeRegisters }
        }
        for (window, size) in bridge?.reserve ?? [:] where size > 1 << 52 {
            throw .tooLarge(.window(window), size: size, maximum: 1 << 52)
        }
        for (number, bar) in virtualBARs {
            guard (0..<1 << 16).contains(virtualCount) else { throw .virtualCount(virtualCount) }
            try validate(bar.size, of: .virtual(number), in: bar.kind.sizes)
        }
        if let romSize {
            // At most 16 MiB (PCI 3.0, 6.2.5.2). At least 2 KiB, because the register holds address bits from 11 up.
            try validate(romSize, of: .rom, in: 2048...16 << 20)
        }
        guard interruptPin <= 4 else { throw .interruptPin(interruptPin) }
        if let msiVectors, !(1...32).contains(msiVectors) || msiVectors.nonzeroBitCount != 1 {
            throw .msiVectors(msiVectors)
        }
        if let msix, !(1...2048).contains(msix.vectors) {
            throw .vectors(msix.vectors)
        }
        try validateParts()
        try validateCapabilities()
    }

    private func validate(_ bar: BARDescription, _ number: Int) throws(DescriptionError) {
        guard (0...5).contains(number) else { throw .barNumber(number) }
        try validate(bar.size, of: .bar(number), in: bar.kind.sizes)
        if bar.kind == .memory64 {
            guard number < 5 else { throw .noUpperHalf(bar: number) }
            guard bars[number + 1] == nil else { throw .upperHalfTaken(bar: number) }
        }
        for range in bar.registers where range.isEmpty || range.upperBound > bar.size {
            throw .registersOutside(bar: number, range, size: bar.size)
        }
    }

    private func validate(
        _ size: UInt64, of register: BaseAddressRegister, in sizes: ClosedRange<UInt64>
    ) throws(DescriptionError) {
        guard size.nonzeroBitCount == 1 else { throw .sizeNotPowerOfTwo(register, size: size) }
        guard size >= sizes.lowerBound else { throw .tooSmall(register, size: size, minimum: sizes.lowerBound) }
        guard size <= sizes.upperBound else { throw .tooLarge(register, size: size, maximum: sizes.upperBound) }
    }

    private func validateParts() throws(DescriptionError) {
        let parts = parts
        for (index, part) in parts.enumerated() {
            let place = part.location
            guard let bar = bars[place.bar] else { throw .noSuchBAR(part.name, bar: place.bar) }
            guard bar.kind != .io else { throw .notMemory(part.name, bar: place.bar) }
            guard place.offset.isMultiple(of: 8) else { throw .misaligned(part.name, place) }
            guard place.offset < bar.size, part.length <= bar.size - place.offset else {
                throw .outside(part.name, place, length: part.length, size: bar.size)
            }
            guard part.name == .doorbell || place.offset <= UInt32.max else { throw .above4GiB(part.name, place) }
            for other in parts[..<index]
            where other.location.bar == place.bar && other.offsets.overlaps(part.offsets) {
                throw .overlap(other.name, part.name, bar: place.bar)
            }
        }
    }
}

extension BARDescription.Kind {
    /// The sizes in bytes that a BAR of this kind may have (PCI 3.0, 6.2.5.1). 2^52 bytes are all that x86-64 can address.
    public var sizes: ClosedRange<UInt64> {
        switch self {
        case .memory32: 16...1 << 31
        case .memory64: 16...1 << 52
        case .io: 4...256
        }
    }
}
