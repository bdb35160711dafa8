internal import PCI

extension LayoutFile {
    /// Root ports and ports of switches. One that does not say its highest bus leads to those of the bridges behind it.
    static func bridges(_ object: LayoutObject) throws -> [Layout.Function] {
        guard object.has("bridges") else { return [] }
        var bridges: [FunctionAddress: BridgeDescription] = [:]
        var ids: [FunctionAddress: (vendor: UInt64?, device: UInt64?)] = [:]
        var isOpen = Set<FunctionAddress>()
        for entry in try object.list(
            "bridges", keys: ["at", "secondary", "subordinate", "vendor", "device", "reserve"])
        {
            let address = try address(entry)
            guard let secondary = try entry.number("secondary", below: 256, "the number of a bus, 1 to 255") else {
                throw entry.badValue("secondary", "missing", expected: "the number of a bus, 1 to 255")
            }
            let subordinate = try entry.number("subordinate", below: 256, "the number of a bus, 1 to 255")
            if subordinate == nil { isOpen.insert(address) }
            var bridge = BridgeDescription(secondary: UInt8(secondary), subordinate: UInt8(subordinate ?? secondary))
            let names: [(String, BridgeWindow)] = [
                ("ports", .ports), ("memory", .memory), ("prefetchable", .prefetchable),
            ]
            let reserve = entry.has("reserve") ? try entry.object("reserve", keys: Set(names.map(\.0))) : nil
            for (name, window) in names where reserve?.has(name) == true {
                bridge.reserve[window] = try reserve?.number(name)
            }
            guard bridges.updateValue(bridge, forKey: address) == nil else { throw LayoutError.sharedAddress(address) }
            ids[address] = (
                try entry.number("vendor", below: 1 << 16, "an id of 16 bits"),
                try entry.number("device", below: 1 << 16, "an id of 16 bits")
            )
        }
        for (address, bridge) in bridges.sorted(by: { $0.value.secondary > $1.value.secondary })
        where isOpen.contains(address) {
            let last = bridges.reduce(bridge.secondary) {
                $1.key.busNumber == UInt16(address.segment) << 8 | UInt16(bridge.secondary)
                    ? max($0, $1.value.subordinate) : $0
            }
            bridges[address]?.subordinate = last
        }
        return try Layout.ports(bridges).map { port in
            var port = port
            if let vendor = ids[port.address]?.vendor { port.description.vendorID = UInt16(vendor) }
            if let device = ids[port.address]?.device { port.description.deviceID = UInt16(device) }
            return port
        }
    }

    /// The address of an object, `00:04.0` or `0001:00:04.0`.
    static func address(_ object: LayoutObject) throws -> FunctionAddress {
        let at: String = try object.value("at")
        if let address = FunctionAddress(text: at) { return address }
        guard let address = DomainAddress(text: at), let segment = UInt8(exactly: address.domain) else {
            throw object.badValue("at", at, expected: "an address such as 00:04.0, or 0001:00:04.0 in segment 1")
        }
        return FunctionAddress(requesterID: address.function.requesterID, segment: segment)
    }
}
