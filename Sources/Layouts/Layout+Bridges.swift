import Memslots
import PCI

extension Layout {
    /// Makes the functions of root ports and of ports of switches, with names for people.
    ///
    /// A port on a root bus is a root port. Behind a root port or a downstream port, a switch begins with its upstream port.
    static func ports(_ bridges: [FunctionAddress: BridgeDescription]) throws(LayoutError) -> [Function] {
        var ports: [FunctionAddress: FunctionDescription] = bridges.mapValues {
            var description = FunctionDescription(vendorID: 0x1af4, deviceID: 0x0010, classCode: 0x060400)
            description.bridge = $0
            return description
        }
        let tree: BridgeTree
        do { tree = try BridgeTree(ports) } catch { throw .bridges(error) }
        var kinds: [FunctionAddress: PortKind] = [:]
        for address in tree.bottomUp.reversed() {
            let parent = tree.bridge(above: address).flatMap { kinds[$0] }
            let kind: PortKind = parent == nil ? .root : parent == .upstream ? .downstream : .upstream
            kinds[address] = kind
            guard var port = ports[address], let bridge = port.bridge else { continue }
            guard !bridge.hasSlot || kind != .upstream else { throw .bridges(.slotCapability) }
            port.capabilities = [.port(type: kind.rawValue, slot: bridge.hasSlot ? bridge.secondary : nil)]
            // The MSI capability, for the events of the slot, lies behind the capability of the port.
            if bridge.hasSlot { (port.msiVectors, port.msiOffset, port.interruptPin) = (1, 0x80, 1) }
            ports[address] = port
        }
        return ports.map { Function(address: $0, description: $1, name: kinds[$0]?.name ?? "") }
    }

    /// The kind of a PCI Express port. The raw value is its number in the capability (PCIe, 7.5.3.2).
    private enum PortKind: UInt8 {
        case root = 4, upstream, downstream

        var name: String {
            switch self {
            case .root: "root port"
            case .upstream: "upstream port of a switch"
            case .downstream: "downstream port of a switch"
            }
        }
    }

    /// Returns this layout with those wishes of a selection that need no dump: without bridges, with capabilities shown, with
    /// other sizes of BARs, and with fixed addresses.
    func adjusted(_ selection: DumpSelection) throws(LayoutError) -> Layout {
        var layout = self
        if selection.isFlat { layout.functions.removeAll { $0.description.bridge != nil } }
        layout.bridges += functions.count - layout.functions.count
        let hidden = CapabilityKind.unsupported.subtracting(selection.shown)
        for (index, function) in layout.functions.enumerated() where !selection.shown.isEmpty {
            let shown = try? function.record?.functionDescription(hiding: hidden, asksModel: false)
            layout.functions[index].description = shown ?? function.description
        }
        for kind in selection.shown
        where !layout.functions.contains(where: { $0.description.recording?.capabilities.contains(kind) == true }) {
            throw .nobodyHas("the capability \(CapabilityKind.names[kind] ?? "")")
        }
        for (place, size) in selection.resized {
            let index = try layout.index(of: place)
            guard case .bar(let number) = place.region,
                let kind = layout.functions[index].description.bars[number]?.kind
            else { throw .unknownRegion(place) }
            guard kind != .io else { throw .badSize(place, size: size, reason: "it has ports") }
            let sizes = layout.functions[index].resizable[number] ?? []
            guard sizes.isEmpty || sizes.contains(size) else {
                throw .badSize(
                    place, size: size, reason: "it supports \(sizes.map(sizeText).joined(separator: ", "))")
            }
            try place.check(size, in: kind.sizes)
            layout.functions[index].description.bars[number]?.size = size
            // The MSI-X table and everything else in the BAR must still lie within it.
            do { try layout.functions[index].description.validate() } catch {
                throw .badSize(place, size: size, reason: "\(error)")
            }
        }
        for (place, base) in selection.fixed {
            let function = layout.functions[try layout.index(of: place)]
            guard place.region <= .rom, function.description.size(of: place.region) != nil else {
                throw .unknownRegion(place)
            }
            layout.fixed[BAROwner(function: function.address, register: place.region)] = base
        }
        return layout
    }

    /// Warnings for a user who has not made the layout. They tell of capabilities that guests do not find, and of buses to
    /// which no bridge leads although the layout has bridges.
    public var warnings: [DumpWarning] {
        var hidden: [String: [String]] = [:]
        var (roots, inside): (Set<String>, Set<String>) = ([], [])
        let descriptions = functions.map { ($0.address, $0.description) }
        let bridges = (try? BridgeTree(Dictionary(descriptions) { first, _ in first })) ?? BridgeTree()
        // The buses with bridges on them, and the buses directly behind a bridge.
        var (busesOfBridges, busesBehindBridges): (Set<UInt16>, Set<UInt16>) = ([], [])
        for case (let address, let bridge?) in functions.lazy.map({ ($0.address, $0.description.bridge) }) {
            busesOfBridges.formUnion([address.busNumber, UInt16(address.segment) << 8])
            busesBehindBridges.insert(UInt16(address.segment) << 8 | UInt16(bridge.secondary))
        }
        for function in functions {
            for capability in function.description.recording?.hidden ?? [] {
                hidden[capability.name, default: []].append("\(function.source)")
            }
            let bus = function.address.busNumber
            guard busesOfBridges.contains(bus & 0xff00), !busesBehindBridges.contains(bus), function.virtualIndex == nil
            else { continue }
            let text = String("\(function.source)".dropLast(5))
            if let bridge = bridges.bridge(above: function.address) {
                inside.insert("\(text) behind \(bridge)")
            } else if !busesOfBridges.contains(bus) {
                roots.insert(text)
            }
        }
        let lists = hidden.sorted { $0.key < $1.key }.map { "\($0) of \(Self.list($1))" }
        let texts = [
            ("guests do not find capabilities that promise what is not there: ", lists.joined(separator: "; ")),
            ("no bridge leads to these buses, which become root buses: ", Self.list(roots.sorted())),
            ("no bridge leads to these buses, found directly behind a bridge above: ", Self.list(inside.sorted())),
        ]
        return texts.filter { !$1.isEmpty }.map { DumpWarning(reason: .init(line: nil, text: $0 + $1), function: nil) }
    }

    /// Joins the first four words, and says whether there are more.
    private static func list(_ words: [String]) -> String {
        words.prefix(4).joined(separator: ", ") + (words.count > 4 ? " and others" : "")
    }

    private func index(of place: DumpSelection.Place) throws(LayoutError) -> Int {
        guard let index = functions.firstIndex(where: { $0.source == place.function }) else {
            throw .unknownFunctions([place.function], similar: [])
        }
        return index
    }
}
