internal import Devices
internal import Layouts
internal import Machine
internal import Memslots
internal import PCI

/// A machine's functions, and the places in their BARs that the guest watches while the decode of the functions is toggled.
struct ToggledFunctions {
    private let machine: GuestMachine
    private(set) var watched: WatchedPlaces
    /// The functions that are toggled. If there are several functions, one with trapped registers is left out. That one has to
    /// go on trapping.
    let toggled: [FunctionAddress]
    /// The watched places of each function: their numbers, and what they show while the function's decode is on.
    private var places: [FunctionAddress: [(number: Int, on: WatchedPlaces.State)]] = [:]
    private let decode: DecodePolicy

    /// The largest number of functions whose places are watched. With more, the guest would take too long to come back to a
    /// place.
    private static let mostWatched = 16

    private static let commandRegister: UInt64 = 0x04
    private static let memorySpace: UInt64 = 1 << 1

    /// Prepares the functions of a machine whose guest has not begun, and lets the guest watch them. Their decode is on.
    init(
        _ functions: [FunctionAddress: FunctionDescription], decode: DecodePolicy, of machine: GuestMachine
    ) {
        self.machine = machine
        self.decode = decode
        watched = WatchedPlaces(machine, vcpus: 1)
        let regions = machine.memory.decoded.filter { $0.range.last.rawValue < 1 << 32 }
        let byFunction = Dictionary(grouping: regions, by: \.owner.function)
        let all = functions.keys.sorted()
        var registers: [FunctionAddress: GuestAddress] = [:]
        for (function, description) in functions {
            registers[function] = description.msix.flatMap {
                Self.vectorControl(table: $0.table, in: byFunction[function] ?? [])
            }
        }
        let steady = all.count > 1 ? all.first { registers[$0] != nil } : nil
        toggled = all.filter { $0 != steady }
        let step = max(1, all.count / Self.mostWatched)
        for (index, function) in all.enumerated() where index % step == 0 || function == steady {
            watch(function, byFunction[function] ?? [], register: registers[function])
        }
    }

    private mutating func watch(
        _ function: FunctionAddress, _ regions: [DecodedRegion], register: GuestAddress?
    ) {
        for region in regions where region.kind == .mapped {
            let label = Label(number: places.count << 8 | (places[function]?.count ?? 0))
            if region.access == .readWrite {
                _ = machine.write(label.bytes, at: region.range.first)
            }
            let word = UInt32(truncatingIfNeeded: number(machine.read(count: 4, at: region.range.first)))
            add(region.range.first, of: function, showing: .memory(word, region.access))
        }
        if let register {
            // Vectors are masked after reset (PCI 3.0, 6.8.2.9).
            add(register, of: function, showing: .register(1))
        }
    }

    private mutating func add(_ address: GuestAddress, of function: FunctionAddress, showing on: WatchedPlaces.State) {
        places[function, default: []].append((watched.add(address, showing: on), on))
    }

    /// Returns what a place shows while decode is off, from what it shows while decode is on.
    private func off(_ on: WatchedPlaces.State) -> WatchedPlaces.State {
        if case .register = on { return .register(.max) }
        return decode == .lazy ? on : .absent
    }

    /// Switches the decode of a function off and on again.
    ///
    /// - Returns: The time of the two writes.
    mutating func toggle(_ function: FunctionAddress) throws(MachineError) -> Duration {
        let command = machine.readConfiguration(of: function, at: Self.commandRegister, width: .word)
        let places = places[function] ?? []
        let hidden = places.map { ($0.number, off($0.on)) }
        let time = try write(command & ~Self.memorySpace, to: function, showing: hidden)
        return try time + write(command | Self.memorySpace, to: function, showing: places)
    }

    private mutating func write(
        _ command: UInt64, to function: FunctionAddress, showing places: [(Int, WatchedPlaces.State)]
    ) throws(MachineError) -> Duration {
        let machine = machine
        return try watched.change(places) { () throws(MachineError) in
            try machine.writeConfiguration(command, of: function, at: Self.commandRegister, width: .word)
        }
    }

    /// Finds the vector control word of the first MSI-X table entry of a function in the function's regions.
    private static func vectorControl(
        table: BARLocation, in regions: [DecodedRegion]
    ) -> GuestAddress? {
        let offset = table.offset + 12
        let region = regions.first {
            $0.owner.register == .bar(table.bar) && $0.kind == .trapped && $0.offset <= offset
                && offset - $0.offset < $0.size
        }
        return region.flatMap { $0.range.first.advanced(by: offset - $0.offset) }
    }
}
