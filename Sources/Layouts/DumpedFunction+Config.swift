import PCI

extension DumpedFunction {
    mutating func take(identityOf config: ConfigDump) {
        vendorID = config.vendorID
        deviceID = config.deviceID
        classCode = config.classCode
    }

    mutating func take(capabilitiesOf config: ConfigDump) {
        msix = config.msix
        msiVectors = config.msiVectors
        virtualFunctions = config.virtualFunctions
        for region in config.enhancedRegions {
            let kind: BARDescription.Kind = region.isPort ? .io : .memory64
            let taken = Region(
                kind: kind, isPrefetchable: region.isPrefetchable, size: region.size, base: region.base)
            switch region.place {
            case .register(let register): regions[register] = taken
            case .virtual(let number): virtualRegions[number] = taken
            }
        }
    }

    /// Takes all that configuration space tells. The sizes of BARs are not in there.
    mutating func take(_ config: ConfigDump) {
        for bar in config.bars {
            regions[.bar(bar.number)] = Region(
                kind: bar.kind, isPrefetchable: bar.isPrefetchable, base: bar.base)
        }
        if let base = config.romBase {
            regions[.rom] = Region(kind: .memory32, base: base)
        }
        if config.lacksCapabilities {
            remark(Self.hiddenCapabilities)
        } else {
            take(capabilitiesOf: config)
        }
    }
}
