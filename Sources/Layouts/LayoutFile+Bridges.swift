package import PCI

extension LayoutFile {
    /// Reads the root ports and ports of switches of a layout file.
    static func bridges(_ object: LayoutObject) throws -> [Layout.Function] {
        guard object.has("bridges") else { return [] }
        var bridges: [FunctionAddress: BridgeDescription] = [:]
        for entry in try object.list("bridges", keys: ["at", "secondary", "subordinate", "reserve", "hotPlug"]) {
            let (address, words) = (try address(entry), "the number of a bus, 1 to 255")
            guard let secondary = try entry.number("secondary", below: 256, words) else {
                throw entry.badValue("secondary", "missing", expected: words)
            }
            let subordinate = try entry.number("subordinate", below: 256, words) ?? secondary
            var bridge = BridgeDescription(
                secondary: UInt8(secondary), subordinate: UInt8(subordinate),
                hasSlot: try entry.optional("hotPlug") ?? false)
            let windows: [String: BridgeWindow] = ["ports": .ports, "memory": .memory, "prefetchable": .prefetchable]
            let reserve = entry.has("reserve") ? try entry.object("reserve", keys: Set(windows.keys)) : nil
            for (name, window) in windows where reserve?.has(name) == true {
                bridge.reserve[window] = try reserve?.number(name)
            }
            guard bridges.updateValue(bridge, forKey: address) == nil else { throw LayoutError.sharedAddress(address) }
        }
        return try Layout.ports(bridges)
    }

    /// Reads the address of an object, `00:04.0` or `0001:00:04.0`.
    package static func address(_ object: LayoutObject) throws -> FunctionAddress {
        let at: String = try object.value("at")
        if let address = FunctionAddress(text: at) { return address }
        guard let address = DomainAddress(text: at), let segment = UInt8(exactly: address.domain) else {
            throw object.badValue("at", at, expected: "an address such as 00:04.0, or 0001:00:04.0 in segment 1")
        }
        return FunctionAddress(requesterID: address.function.requesterID, segment: segment)
    }
}
