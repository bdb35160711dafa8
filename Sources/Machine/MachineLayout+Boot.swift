internal import Board
internal import Firmware
internal import Images
internal import KVM
internal import Memslots
internal import PCI

// MARK: - What a guest finds when it starts

extension MachineLayout {
    /// Makes the state in which the first vCPU starts.
    func makeStartState(
        for image: Image, _ cpuid: [CPUIDEntry], _ functions: FunctionsAtBoot
    ) throws(MachineError) -> StartState {
        let hasControllers = configuration.interruptController == .kernel
        let leaf = cpuid.leaf(1)
        let processors = PCMemory.Processors(
            count: configuration.vcpus, signature: leaf?.eax ?? 0, features: leaf?.edx ?? 0)
        var taken = image.segments.map(\.range)
        let firmware = PCMemory(ram: board.ram, processors: hasControllers ? processors : nil, beside: taken)
        let tables = try acpi(of: image) == .off ? nil : makeTables(beside: taken, functions, acpi(of: image))
        var found = tables.map { [$0] } ?? []
        let entry = PCMemory.entry
        if tables != nil, board.ram.low >= BootMemory.extended, let range = entry.range,
            !taken.contains(where: range.overlaps)
        {
            found.append(entry)
        }
        taken += found.compactMap(\.range)
        let memory = KernelMemory(
            ram: board.ram, conventionalEnd: firmware.conventionalEnd, taken: taken,
            reserved: hasFunctions ? [board.ecam] : [], tables: tables?.address)
        let own = try configuration.boot.startState(for: image, memory)
        guard own == nil || configuration.registers.isEmpty else { throw .configuration(.presetRegisters) }
        guard own != nil || configuration.boot.isEmpty else { throw .configuration(.bootArguments) }
        var state =
            if let own { own } else {
                try StartState(
                    mode: image.mode ?? configuration.mode, entry: image.entry, ram: board.ram,
                    vcpus: configuration.vcpus, hasGigabytePages: cpuid.hasGigabytePages)
            }
        let data = own != nil || hasControllers ? firmware.data : []
        state.add(configuration.registers, data + found)
        return state
    }

    /// Returns the kind of ACPI tables that a guest with this image finds.
    func acpi(of image: Image) -> ACPIKind {
        let expects =
            switch image.format {
            case .linux, .pvh: configuration.interruptController == .kernel
            case .flat, .elf32, .elf64, .multiboot, .multiboot2: false
            }
        return configuration.acpi ?? (expects ? .on : .off)
    }

    /// Makes the ACPI tables, in memory beside the taken ranges.
    private func makeTables(
        beside taken: [GuestRange], _ functions: FunctionsAtBoot, _ kind: ACPIKind
    ) throws(MachineError) -> BootData {
        let bridges = hostBridges(functions)
        let segments = (0..<board.segments).compactMap { number -> ACPITables.Segment? in
            let segment = UInt8(truncatingIfNeeded: number)
            return bridges[segment].map { (UInt16(segment), board.ecam(ofSegment: number), $0) }
        }
        return try firmware(
            try ACPITables(
                processors: configuration.vcpus, segments: segments, isFull: kind == .full,
                beside: taken, ram: board.ram
            ).data)
    }

    // MARK: Host bridges

    /// Returns the host bridges by segment: one for each root bus with functions. A host bridge also leads to the buses behind
    /// the bridges on its root bus. The host bridges divide the apertures. Each has the addresses of its functions and of its
    /// bridges' windows, and the free addresses behind these up to those of another host bridge.
    private func hostBridges(_ functions: FunctionsAtBoot) -> [UInt8: [ACPITables.HostBridge]] {
        let onRoots = functions.functions.filter { functions.decoded.bridges.bridge(above: $0.address) == nil }
        let buses = Set(onRoots.map(\.address.busNumber)).sorted()
        guard !buses.isEmpty else { return [:] }
        let claims = onRoots.flatMap { function -> [Claim] in
            let bus = function.address.busNumber
            let windows = BridgeWindow.allCases.compactMap { window in
                function.range(of: window).map { (bus: bus, isPort: window == .ports, first: $0.lowerBound) }
            }
            return windows
                + function.description.registers.map { register in
                    var isPort = false
                    if case .bar(let number) = register { isPort = function.description.bars[number]?.kind == .io }
                    return (bus: bus, isPort: isPort, first: function.base(of: register))
                }
        }
        let memory = claims.filter { !$0.isPort }
        let low = Self.shares(of: board.apertures.low.bounds, buses, memory)
        let high = board.apertures.high.map { Self.shares(of: $0.bounds, buses, memory) } ?? [:]
        let ports = Self.shares(of: BoardPorts.firstBARPort...0xffff, buses, claims.filter(\.isPort))
        let bridges = buses.map { bus in
            let own = UInt8(truncatingIfNeeded: bus)
            let ends = onRoots.filter { $0.address.busNumber == bus }.compactMap(\.description.bridge?.subordinate)
            let bridge = ACPITables.HostBridge(
                buses: own...max(own, ends.max() ?? own),
                memory: ((low[bus] ?? []) + (high[bus] ?? [])).compactMap {
                    GuestRange(first: GuestAddress($0.lowerBound), last: GuestAddress($0.upperBound))
                },
                ports: (ports[bus] ?? []).map { UInt16($0.lowerBound)...UInt16($0.upperBound) })
            return (segment: UInt8(bus >> 8), bridge: bridge)
        }
        return Dictionary(grouping: bridges, by: \.segment).mapValues { $0.map(\.bridge) }
    }

    /// The address of a register or of a bridge window of a function on a root bus. The upper half of `bus` is the number of the segment.
    typealias Claim = (bus: UInt16, isPort: Bool, first: UInt64)

    /// Divides an aperture among root buses, so that each has the addresses that it claims. If nobody claims anything, all have
    /// parts of the same size.
    static func shares(
        of aperture: ClosedRange<UInt64>, _ buses: [UInt16], _ claims: [Claim]
    ) -> [UInt16: [ClosedRange<UInt64>]] {
        var claims = claims.filter { aperture.contains($0.first) }.sorted { $0.first < $1.first }
        if claims.isEmpty {
            let part = (aperture.upperBound - aperture.lowerBound) / UInt64(buses.count)
            claims = buses.enumerated().map { index, bus in
                (bus: bus, isPort: false, first: aperture.lowerBound + UInt64(index) * part)
            }
        }
        var shares: [UInt16: [ClosedRange<UInt64>]] = [:]
        var first = aperture.lowerBound
        for (index, claim) in claims.enumerated() {
            let next = index + 1 < claims.count ? claims[index + 1] : nil
            if let next, next.bus == claim.bus { continue }
            let last = next.map { $0.first - 1 } ?? aperture.upperBound
            shares[claim.bus, default: []].append(first...last)
            first = next?.first ?? first
        }
        return shares
    }
}

extension GuestRange {
    fileprivate var bounds: ClosedRange<UInt64> { first.rawValue...last.rawValue }
}

extension Image.Format {
    /// Whether this is a Linux kernel, of which the machine knows more than of other guests.
    var isLinux: Bool {
        switch self {
        case .linux, .pvh(isLinux: true): true
        case .flat, .elf32, .elf64, .multiboot, .multiboot2, .pvh: false
        }
    }
}
