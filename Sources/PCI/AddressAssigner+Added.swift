import Board
public import Memslots

extension AddressAssigner {
    /// Finds free addresses for a function that is added while the other functions keep theirs. The addresses lie in the windows of
    /// the nearest bridge above the function, or in the apertures if there is no bridge.
    ///
    /// An I/O BAR gets no address if the bridge has no I/O window, or no room in it.
    ///
    /// - Parameters:
    ///   - others: The other functions, as they are now.
    ///   - taken: Further ranges of memory that are not free.
    /// - Returns: The addresses, in the order of their owners.
    public func assign(
        _ description: FunctionDescription, at address: FunctionAddress, beside others: [PCIFunction],
        avoiding taken: [GuestRange]
    ) throws(AssignmentError) -> [AddressAssignment] {
        let above = others.filter {
            $0.address.segment == address.segment && $0.description.bridge?.leads(to: address.bus) == true
        }
        let bridge = above.max { ($0.description.bridge?.secondary ?? 0) < ($1.description.bridge?.secondary ?? 0) }
        let beside = others.filter { other in !above.contains { $0.address == other.address } }
        let memory = taken.map { $0.first.rawValue...$0.last.rawValue } + beside.flatMap { $0.claims(ports: false) }
        var requests = Requests()
        requests.add(address, description, fixed, isBehind: bridge != nil)

        var placed: [AddressAssignment] = []
        func place(
            _ requests: [Request], _ window: BridgeWindow, _ aperture: ClosedRange<UInt64>?,
            _ taken: [ClosedRange<UInt64>]
        ) throws(AssignmentError) -> [Request] {
            let range = bridge.map { $0.range(of: window) } ?? aperture
            guard let range else { return requests }
            var space = FreeRanges(range)
            for claim in taken + placed.map({ $0.base...$0.base + ($0.size - 1) }) { space.drop(claim) }
            return try Request.place(requests, in: &space, into: &placed)
        }
        let (low, high) = (apertures.low, apertures.high.map { $0.first.rawValue...$0.last.rawValue })
        let rest = try place(requests.memory64, .prefetchable, high, memory)
        let left = try place(
            requests.memory + requests.roms + rest, .memory, low.first.rawValue...low.last.rawValue, memory)
        if let first = left.first {
            throw .noSpace(
                owner: first.owner, size: first.size, aperture: bridge == nil ? "low" : BridgeWindow.memory.name,
                asked: first.size,
                available: bridge.map { $0.range(of: .memory).map { $0.upperBound - $0.lowerBound + 1 } ?? 0 }
                    ?? low.size)
        }
        let memoryPlaced = placed
        placed = []
        let ports = UInt64(apertures.ports.lowerBound)...UInt64(apertures.ports.upperBound)
        let leftPorts = try place(requests.ports, .ports, ports, beside.flatMap { $0.claims(ports: true) })
        if bridge == nil, let first = leftPorts.first {
            throw .noSpace(
                owner: first.owner, size: first.size, aperture: "port", asked: first.size,
                available: UInt64(apertures.ports.count))
        }
        return (memoryPlaced + placed).sorted { $0.owner < $1.owner }
    }
}

extension PCIFunction {
    /// Returns the addresses, or with `ports` the port numbers, that the function's BARs and ROM hold, whether or not they are
    /// decoded. If the function is a bridge, the ranges that its open windows pass on are included.
    fileprivate func claims(ports: Bool) -> [ClosedRange<UInt64>] {
        let windows = BridgeWindow.allCases.filter { ($0 == .ports) == ports }.compactMap { range(of: $0) }
        return windows
            + description.registers.compactMap { register in
                let isPort = description.bar(register)?.kind == .io
                let (base, size) = (base(of: register), description.size(of: register) ?? 0)
                let (last, overflow) = base.addingReportingOverflow(size &- 1)
                return isPort == ports && base > 0 && size > 0 && !overflow ? base...last : nil
            }
    }
}
