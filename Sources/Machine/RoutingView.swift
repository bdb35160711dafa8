internal import Board
internal import Devices
internal import Memslots
internal import PCI

/// Where accesses go, as one vCPU knows it. It is a copy in memory of the vCPU's own: nothing of it is shared on the way of an
/// exit. A number says how new it is; see docs/concurrency.md.
struct RoutingView: Sendable {
    /// The devices of the board, which do not change.
    struct Devices: Sendable {
        var bus: Bus
        var cells: [DeviceCell] = []

        init(name: String) {
            bus = Bus(name: name)
        }

        mutating func attach(_ cell: DeviceCell, at first: UInt64, size: UInt64) throws(BusError) {
            _ = try bus.attach(at: first, size: size)
            cells.append(cell)
        }

        func copied() -> Devices {
            var copy = self
            copy.bus = bus.copied()
            copy.cells = cells.map { $0 }
            return copy
        }
    }

    /// A place in a function's trapped memory or ports.
    struct Place {
        let function: FunctionCell
        let register: BaseAddressRegister
        let offset: UInt64
    }

    private struct Region {
        let first: UInt64
        let last: UInt64
        let function: FunctionCell
        let register: BaseAddressRegister
        /// Where the region begins in its BAR.
        let offset: UInt64

        func place(at address: UInt64) -> Place {
            Place(function: function, register: register, offset: offset &+ (address &- first))
        }
    }

    var ports: Devices
    var memory: Devices
    /// Nil on a machine without functions.
    let ecam: GuestRange?
    private(set) var number: UInt64 = 0
    private(set) var functions: [FunctionAddress: FunctionCell] = [:]
    /// Trapped pieces of BARs, by address, disjoint.
    private var trapped: [Region] = []
    /// I/O BARs, in order of precedence.
    private var barPorts: [Region] = []

    init(ports: Devices, memory: Devices, ecam: GuestRange?) {
        self.ports = ports.copied()
        self.memory = memory.copied()
        self.ecam = ecam
    }

    /// Copies the present state of the machine.
    mutating func update(from state: borrowing MachineState) {
        number = state.routing
        guard ecam != nil else { return }
        if functions.count != state.functions.count {
            functions = Dictionary(uniqueKeysWithValues: state.functions.map { ($0.key, $0.value) })
        }
        trapped = state.decoded.regions.filter { $0.kind == .trapped }.compactMap { region in
            functions[region.owner.function].map {
                Region(
                    first: region.range.first.rawValue, last: region.range.last.rawValue, function: $0,
                    register: region.owner.register, offset: region.offset)
            }
        }
        barPorts = state.ports.regions.compactMap { region in
            functions[region.owner.function].map {
                Region(
                    first: region.ports.lowerBound, last: region.ports.upperBound &- 1, function: $0,
                    register: region.owner.register, offset: 0)
            }
        }
    }

    /// The I/O BAR that holds all ports of an access. A BAR over the board's own ports hides no console.
    func barPort(at port: UInt64, width: AccessWidth) -> Place? {
        guard port >= BoardPorts.firstOfBARs, !barPorts.isEmpty else { return nil }
        let last = port &+ UInt64(width.rawValue) &- 1
        return barPorts.first { $0.first <= port && last <= $0.last }?.place(at: port)
    }

    /// The trapped piece of a BAR that holds all bytes of an access.
    func trappedPlace(at address: UInt64, width: AccessWidth) -> Place? {
        var low = 0
        var high = trapped.count
        while low < high {
            let middle = (low + high) / 2
            if trapped[middle].last < address { low = middle + 1 } else { high = middle }
        }
        let (last, wraps) = address.addingReportingOverflow(UInt64(width.rawValue) - 1)
        guard low < trapped.count, !wraps, trapped[low].first <= address, last <= trapped[low].last else { return nil }
        return trapped[low].place(at: address)
    }
}
