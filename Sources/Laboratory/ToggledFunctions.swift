internal import Devices
internal import Layouts
internal import Machine
internal import Memslots
internal import PCI

/// A machine's functions, and the places in their BARs that the guest watches while their decode is toggled.
struct ToggledFunctions {
    private struct Place {
        let number: Int
        /// While decode is on, and while it is off.
        let on: WatchedPlaces.Sight
        let off: WatchedPlaces.Sight
    }

    private let machine: GuestMachine
    private(set) var watched: WatchedPlaces
    /// All functions but one with trapped registers, if there are several: those must trap all the time.
    let toggled: [FunctionAddress]
    private var places: [FunctionAddress: [Place]] = [:]
    private let decode: DecodePolicy

    /// Functions of which places are watched: with more, the guest would take too long to come back to one.
    private static let mostWatched = 16

    private static let commandRegister: UInt64 = 0x04
    private static let memorySpace: UInt64 = 1 << 1

    /// The functions of a machine whose guest has not begun, decode on.
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
            add(region.range.first, of: function, on: .memory(word, region.access), stays: decode == .lazy)
        }
        if let register {
            // Vectors are masked after reset (PCI 3.0, 6.8.2.9).
            add(register, of: function, on: .register(1), stays: false)
        }
    }

    private mutating func add(
        _ address: GuestAddress, of function: FunctionAddress, on: WatchedPlaces.Sight, stays: Bool
    ) {
        var off: WatchedPlaces.Sight = .absent
        if stays {
            off = on
        } else if case .register = on {
            off = .register(.max)
        }
        let number = watched.add(address, showing: on)
        places[function, default: []].append(Place(number: number, on: on, off: off))
    }

    /// Switches the decode of a function off and on again; how long the two writes took.
    mutating func toggle(_ function: FunctionAddress) throws(MachineError) -> Duration {
        let command = machine.readConfiguration(of: function, at: Self.commandRegister, width: .word)
        let off = try write(command & ~Self.memorySpace, to: function, showing: \.off)
        let on = try write(command | Self.memorySpace, to: function, showing: \.on)
        return off + on
    }

    private mutating func write(
        _ command: UInt64, to function: FunctionAddress, showing sight: KeyPath<Place, WatchedPlaces.Sight>
    ) throws(MachineError) -> Duration {
        let places = places[function] ?? []
        for place in places { watched.announce(place.number) }
        let time = try measure { () throws(MachineError) in
            try machine.writeConfiguration(command, of: function, at: Self.commandRegister, width: .word)
        }
        for place in places { watched.show(place[keyPath: sight], at: place.number) }
        return time
    }

    /// The vector control of a function's first MSI-X table entry, where it is among the regions.
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
