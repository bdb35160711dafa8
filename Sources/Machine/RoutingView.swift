internal import Board
internal import Devices
internal import Memslots
internal import PCI

/// A view: a vCPU's own copy of where devices and functions are found. It lies in memory that no other vCPU uses on the way of
/// an exit. The view's number says whether the view is still the present one. docs/concurrency.md has more.
struct RoutingView: Sendable {
    /// The devices of the board and of the user, which do not change.
    struct Devices: Sendable {
        var bus: Bus
        var cells: [DeviceCell] = []

        init(name: String) {
            bus = Bus(name: name)
        }

        /// Attaches a device to the bus.
        mutating func attach(_ cell: DeviceCell, at first: UInt64, size: UInt64) throws(BusError) {
            _ = try bus.attach(at: first, size: size)
            cells.append(cell)
        }

        /// Returns a copy that shares no memory with the original, but for the devices themselves.
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
        /// The beginning of the region in its BAR, in bytes.
        let offset: UInt64

        func place(at address: UInt64) -> Place {
            Place(function: function, register: register, offset: offset &+ (address &- first))
        }
    }

    var ports: Devices
    var memory: Devices
    /// The addresses of configuration space, or nil on a machine without functions.
    let ecam: GuestRange?
    /// The number of buses of each segment.
    let buses: Int
    /// The number of the routing from which the view was copied, or 0 if it was never copied.
    private(set) var number: UInt64 = 0
    private(set) var functions: [FunctionAddress: FunctionCell] = [:]
    /// The bridges, as they are in the routing.
    private var bridges = BridgeTree()
    /// The buses that software reaches at present (`BridgeTree.busesBySoftwareNumber`).
    private var presentBuses: [UInt16: UInt16] = [:]
    /// The trapped pieces of BARs that are shown, by address.
    private var trapped: [Region] = []
    /// The I/O BARs that are decoded, in order of precedence.
    private var barPorts: [Region] = []

    init(ports: Devices, memory: Devices, ecam: GuestRange?, buses: Int) {
        self.buses = buses
        self.ports = ports.copied()
        self.memory = memory.copied()
        self.ecam = ecam
    }

    /// Copies the present routing. The caller holds the machine lock.
    mutating func update(from state: borrowing MachineState) {
        let isNew = !knowsFunctions(of: state.routing)
        number = state.routing
        guard ecam != nil else { return }
        if isNew {
            functions = Dictionary(uniqueKeysWithValues: state.functions.map { ($0.key, $0.value) })
            bridges = state.decoded.bridges
            presentBuses = bridges.busesBySoftwareNumber
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

    /// Whether the view still knows which function is where in configuration space. The upper half of the routing's number
    /// counts the changes of that: functions come and go, and buses get other numbers.
    func knowsFunctions(of routing: UInt64) -> Bool { number != 0 && (number ^ routing) >> 32 == 0 }

    /// Returns the function that software reaches by an address in configuration space, or nil.
    func function(at address: FunctionAddress) -> FunctionCell? {
        bridges.isEmpty
            ? functions[address] : bridges.firmwareAddress(of: address, presentBuses).flatMap { functions[$0] }
    }

    /// Returns the place of an access in the I/O BAR that holds all its ports, or nil if there is none. No BAR hides the
    /// board's own ports.
    func barPort(at port: UInt64, width: AccessWidth) -> Place? {
        guard port >= BoardPorts.firstBARPort, !barPorts.isEmpty else { return nil }
        let last = port &+ UInt64(width.rawValue) &- 1
        return barPorts.first { $0.first <= port && last <= $0.last }?.place(at: port)
    }

    /// Returns the place of an access in the trapped piece of a BAR that holds all its bytes, or nil if there is none.
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
