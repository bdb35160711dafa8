extension DeviceRecord {
    /// Describes the function that a guest finds: the recorded configuration space, with BARs that have the sizes of the regions.
    /// The parts of a BAR that cannot be mapped are registers.
    ///
    /// The capabilities for kinds of interrupts that the device does not have are hidden, and so is the pin of a missing interrupt
    /// line.
    ///
    /// - Parameters:
    ///   - hiding: The capabilities that guests are not to find.
    ///   - asksModel: Whether the function's model answers for vital product data and for capabilities of the vendor. Otherwise
    ///     these are read as recorded.
    public func functionDescription(
        hiding: Set<CapabilityKind> = CapabilityKind.unsupported, asksModel: Bool = true
    ) throws(DescriptionError) -> FunctionDescription {
        var hiding = hiding
        var bytes = configuration
        func lacks(_ kind: InterruptKind) -> Bool { interrupts[kind]?.count ?? 0 == 0 }
        if lacks(.msi) { hiding.insert(CapabilityKind(id: CapabilityID.msi)) }
        if lacks(.msix) { hiding.insert(CapabilityKind(id: CapabilityID.msix)) }
        let pin = Int(ConfigOffset.interrupt) + 1
        if lacks(.intx), bytes.indices.contains(pin) { bytes[pin] = 0 }
        let all = (0...5).map { BaseAddressRegister.bar($0) } + [.rom]
        let sizes = all.compactMap { register in
            RegionNumber(register).flatMap { regions[$0] }.map { (register, $0.size) }
        }
        var description = try FunctionDescription(
            recorded: ConfigDump(bytes), sizes: Dictionary(uniqueKeysWithValues: sizes), hiding: hiding,
            asksModel: asksModel)
        for (number, bar) in description.bars where bar.kind != .io {
            let areas = RegionNumber(.bar(number)).flatMap { regions[$0]?.areas } ?? []
            var end: UInt64 = 0
            for area in areas where area.lowerBound >= end && area.upperBound <= bar.size {
                if area.lowerBound > end { description.bars[number]?.registers.append(end..<area.lowerBound) }
                end = area.upperBound
            }
            if end < bar.size { description.bars[number]?.registers.append(end..<bar.size) }
        }
        return description
    }
}
