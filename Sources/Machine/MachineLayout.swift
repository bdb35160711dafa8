internal import Board
internal import Devices
internal import Firmware
internal import Host
internal import Images
internal import KVM
internal import Layouts
internal import Memslots
internal import PCI

/// The parts of a machine at the addresses that its configuration and the host's processors give them.
struct MachineLayout {
    private(set) var configuration: MachineConfiguration
    let board: AddressMap
    let hasFunctions: Bool

    init(_ configuration: MachineConfiguration, physicalAddressBits: Int) throws(MachineError) {
        self.configuration = configuration
        hasFunctions = !configuration.functions.isEmpty
        do throws(AddressMapError) {
            board = try AddressMap(
                memory: configuration.memory, addressBits: physicalAddressBits, choices: configuration.board)
            if hasFunctions { try board.checkBuses(configuration.functions.keys.map(\.busNumber)) }
        } catch {
            throw .board(error)
        }
        let reserved = board.reserved.filter { !board.ram.ranges.contains($0) && (hasFunctions || $0 != board.ecam) }
        for slot in configuration.extraSlots {
            guard let taken = reserved.first(where: slot.range.overlaps) else { continue }
            throw .configuration(.extraSlotTaken(slot.range, taken))
        }
    }

    /// Returns this layout without the functions and without their memory and eventfds. A machine that has been made holds these
    /// itself, until the functions leave.
    func withoutParts() -> MachineLayout {
        var layout = self
        layout.configuration.removeParts()
        return layout
    }

    /// Reserves windows for the apertures, if neighbours share slots.
    func makeWindows() throws(MachineError) -> HostWindows {
        let apertures = [board.apertures.low] + (board.apertures.high.map { [Self.mirrored($0)] } ?? [])
        return try host(try HostWindows(configuration.policy == .coalesced ? apertures : []))
    }

    /// Returns the part of the high aperture that has a window: all of it, but for builds with ThreadSanitizer. Mappings outside
    /// of windows have slots of their own.
    private static func mirrored(_ aperture: GuestRange) -> GuestRange {
        #if THREAD_SANITIZER
            // ThreadSanitizer leaves a process six TiB of address space.
            return GuestRange(first: aperture.first, size: min(aperture.size, 512 << 30)) ?? aperture
        #else
            return aperture
        #endif
    }

    /// Makes the view that each vCPU copies to make its own. It has the devices of the board and of the user.
    func makeView(serial: DeviceCell, for image: Image) throws(MachineError) -> RoutingView {
        let firmware = FirmwareConfiguration(ramSize: configuration.memory, processors: configuration.vcpus)
        let registers = ScratchMemory(size: 4, marksPhases: true)
        let scratch = ScratchMemory(size: 64 << 10)
        var ports = RoutingView.Devices(name: "ports")
        var memory = RoutingView.Devices(name: "memory")
        do throws(BusError) {
            try ports.attach(serial, at: BoardPorts.serial, size: Serial16550.size)
            let devices: [(any Device, UInt64, UInt64)] = [
                (DebugConsole(), BoardPorts.debugConsole, DebugConsole.size),
                (ExitPort(configuration.exitStatus), BoardPorts.exit, ExitPort.size),
                (ExitPort(.twiceAndOne), BoardPorts.debugExit, ExitPort.size),
                (registers, BoardPorts.testRegisters, registers.size),
                (FlushPort(), BoardPorts.flush, FlushPort.size),
                (firmware, BoardPorts.firmwareConfiguration, FirmwareConfiguration.size),
                (InterruptLinePorts(), BoardPorts.interruptLines, InterruptLinePorts.size),
            ]
            // A device of the user's own may take the place of one of these: a keyboard controller or a host bridge that does more.
            let resets: [(any Device, UInt64, UInt64)] = [
                (ResetPort.keyboardController, BoardPorts.keyboardController, ResetPort.size),
                (ResetPort.resetControl, BoardPorts.resetControl, ResetPort.size),
            ].filter { reset in
                !configuration.portDevices.contains { $0.first <= reset.1 && reset.1 - $0.first < $0.size }
            }
            let power = PowerPorts(off: BoardPorts.sleepTypeOff)
            if acpi(of: image) != .off {
                try ports.attach(DeviceCell(power), at: BoardPorts.sleepControl, size: PowerPorts.size)
            }
            for (device, first, size) in devices + resets {
                try ports.attach(DeviceCell(device), at: first, size: size)
            }
            try memory.attach(DeviceCell(scratch), at: AddressMap.scratchMemory, size: scratch.size)
            for attached in configuration.portDevices {
                try ports.attach(DeviceCell(attached.device), at: attached.first, size: attached.size)
                if hasFunctions { try check(attached, in: "ports", against: BoardPorts.configuration) }
            }
            for attached in configuration.memoryDevices {
                try memory.attach(DeviceCell(attached.device), at: attached.first, size: attached.size)
                for taken in board.ram.ranges + (hasFunctions ? [board.ecam] : []) {
                    try check(attached, in: "memory", against: taken.first.rawValue...taken.last.rawValue)
                }
            }
        } catch {
            throw .bus(error)
        }
        return RoutingView(ports: ports, memory: memory, ecam: hasFunctions ? board.ecam : nil, buses: board.buses)
    }

    /// Throws if a device lies over RAM or configuration space, which are on no bus.
    private func check(
        _ attached: AttachedDevice, in bus: String, against taken: ClosedRange<UInt64>
    ) throws(BusError) {
        let range = attached.first...attached.first &+ (attached.size - 1)
        guard range.overlaps(taken) else { return }
        throw .overlaps(bus: bus, range: range, taken: taken)
    }

    /// Returns the parameters for a guest that looks for PCI functions: 64-bit words in low memory, which `guests/README.md` describes.
    func parameters(mappedEnd: UInt64) -> [BootData] {
        guard let last = configuration.functions.keys.max(), configuration.mode == .long else { return [] }
        // A guest can move functions to the upper halves of the apertures without meeting their former addresses.
        let low = Self.upperHalf(of: board.apertures.low)
        let high = board.apertures.high.map(Self.upperHalf)
        let words = [
            board.ecam.first.rawValue, UInt64(last.segment) * UInt64(board.buses) + UInt64(last.bus) + 1,
            low.lowerBound, low.upperBound,
            high?.lowerBound ?? 0, high?.upperBound ?? 0, mappedEnd, UInt64(board.buses),
        ]
        return [
            BootData(
                address: GuestAddress(BootMemory.parameters), bytes: littleEndian(words), what: "the parameters")
        ]
    }

    private static func upperHalf(of range: GuestRange) -> Range<UInt64> {
        let half = range.size / 2 / Page.size * Page.size
        return range.first.rawValue + half..<range.first.rawValue + range.size
    }
}
