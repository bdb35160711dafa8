internal import Board
internal import Host
internal import Images
internal import Memslots
internal import PCI

/// What a machine is made of, at the addresses that its configuration and the host's processors give it.
struct MachineLayout {
    private let configuration: MachineConfiguration
    let board: AddressMap

    init(_ configuration: MachineConfiguration, physicalAddressBits: Int) throws(MachineError) {
        self.configuration = configuration
        do throws(AddressMapError) {
            board = try AddressMap(
                memory: configuration.memory, addressBits: physicalAddressBits, choices: configuration.board)
            try board.checkBuses(of: configuration.functions.keys.max()?.bus)
        } catch {
            throw .board(error)
        }
    }

    var policy: SlotPolicy {
        configuration.policy
    }

    var hasFunctions: Bool {
        !configuration.functions.isEmpty
    }

    /// Reserved host address space that mirrors the apertures, where neighbours share slots.
    func makeWindows() throws(MachineError) -> HostWindows {
        guard configuration.policy == .coalesced else { return HostWindows() }
        return try host(try HostWindows(low: board.apertures.low, high: board.apertures.high.map(Self.mirrored)))
    }

    /// The part of the high aperture that has a window: all of it. What lies outside has slots of its own.
    private static func mirrored(_ aperture: GuestRange) -> GuestRange {
        #if THREAD_SANITIZER
            // It leaves a process six TiB of address space.
            return GuestRange(first: aperture.first, size: min(aperture.size, 512 << 30)) ?? aperture
        #else
            return aperture
        #endif
    }

    /// The functions with their addresses, or nil where there are none.
    func makePCIDevices() throws(MachineError) -> PCIDevices? {
        guard !configuration.functions.isEmpty else { return nil }
        let reserved = board.reserved + configuration.extraSlots.map(\.range)
        do throws(PCIError) {
            return try PCIDevices(
                configuration.functions, decode: configuration.decode, board: board,
                isAssigned: configuration.assignsAddresses, reserved: reserved)
        } catch {
            throw .pci(error)
        }
    }

    /// Bytes of host memory that the machine can use in all.
    func memoryCapacity(with pci: PCIDevices?) throws(MachineError) -> UInt64 {
        let parts =
            [configuration.memory, configuration.spareMemory] + configuration.extraSlots.map(\.range.size)
            + (pci?.backedRegisters.map(\.size) ?? [])
        var sum: UInt64 = 0
        for part in parts {
            let (next, overflow) = sum.addingReportingOverflow(part)
            guard !overflow else { throw .configuration("more than 2^64 bytes of memory in RAM and BARs") }
            sum = next
        }
        return sum
    }

    /// What a guest that looks for PCI functions is told: 64-bit words in low memory. `guests/README.md` describes them.
    func parameters(mappedEnd: UInt64) -> [StartState.BootData] {
        guard let last = configuration.functions.keys.max(), configuration.mode == .long else { return [] }
        // The upper halves of the apertures: there functions can be moved without meeting where they were.
        let low = Self.upperHalf(of: board.apertures.low)
        let high = board.apertures.high.map(Self.upperHalf)
        let words = [
            board.ecam.first.rawValue, UInt64(last.bus) + 1, low.lowerBound, low.upperBound,
            high?.lowerBound ?? 0, high?.upperBound ?? 0, mappedEnd,
        ]
        return [
            StartState.BootData(
                address: GuestAddress(BootMemory.parameters), bytes: littleEndian(words), what: "the parameters")
        ]
    }

    private static func upperHalf(of range: GuestRange) -> Range<UInt64> {
        let half = range.size / 2 / Page.size * Page.size
        return range.first.rawValue + half..<range.first.rawValue + range.size
    }
}
