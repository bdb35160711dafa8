internal import PCI

extension Layout {
    /// A layout that comes with Swiftlet.
    public struct Preset: Sendable {
        /// The name by which users ask for the preset.
        public let name: String
        /// What the preset demonstrates, in one line.
        public let shows: String
        /// Makes the layout.
        public let make: @Sendable () -> Layout
    }

    /// All presets, in the order in which they are listed.
    public static let presets: [Preset] = [
        Preset(name: "one", shows: "one function with one BAR of a page") {
            Layout(name: "one", count: 1, of: onePage, first: 4 << 3)
        },
        Preset(name: "typical-16", shows: "16 devices of 4 slots: what 64 slots had to carry in 2012") {
            Layout(name: "typical-16", count: 16, of: typical, step: 8)
        },
        Preset(name: "typical-32", shows: "32 devices of 4 slots: what 128 slots were to carry in 2012") {
            Layout(name: "typical-32", count: 32, of: typical, step: 8)
        },
        Preset(
            name: "full-bus", shows: "32 devices of 8 functions with 6 BARs, a ROM and a split MSI-X BAR: 2048 slots"
        ) {
            Layout(name: "full-bus", count: 256, of: full)
        },
        Preset(name: "past-the-limit", shows: "16 full buses: 32768 slots, four more than KVM has") {
            Layout(name: "past-the-limit", count: 16 * 256, of: full)
        },
        Preset(name: "hgx-8", shows: "eight GPUs with BARs of 16 MiB, 256 GiB and 32 MiB") {
            Layout(name: "hgx-8", count: 8, of: gpu(memory: 256 << 30), step: 8)
        },
        Preset(
            name: "server-8-gpus",
            shows:
                "a server: five root ports, four switches, eight GPUs of 128 GiB, NICs with virtual functions, NVMe drives"
        ) { server },
        Preset(
            name: "slots-4", shows: "four ports with slots for hot plug, a drive in the first, and two functions beside"
        ) {
            slots
        },
    ]

    /// Makes the preset of this name. Nil if there is none.
    public static func preset(_ name: String) -> Layout? {
        presets.first { $0.name == name }?.make()
    }

    private static let page: UInt64 = 4096

    private static let onePage = FunctionDescription(
        vendorID: 0x1af4, deviceID: 0x0001, bars: [0: BARDescription(kind: .memory32, size: page)])

    /// A network card of a common kind: a BAR of memory, a BAR that its MSI-X page splits in two, and a ROM.
    private static let typical = FunctionDescription(
        vendorID: 0x1af4, deviceID: 0x0002, classCode: 0x020000,
        bars: [
            0: BARDescription(kind: .memory32, size: 128 << 10),
            2: BARDescription(kind: .memory64, size: 4 * page, isPrefetchable: true),
        ],
        romSize: 64 << 10,
        msix: MSIXDescription(
            vectors: 5, table: BARLocation(bar: 2, offset: page), pendingBits: BARLocation(bar: 2, offset: page + 0x800)
        ),
        doorbell: BARLocation(bar: 2, offset: page + 0x808))

    /// A function with six BARs, which is the most, a ROM, and MSI-X. The MSI-X table, the pending bits and the doorbell share
    /// the second page of the last BAR.
    private static let full = FunctionDescription(
        vendorID: 0x1af4, deviceID: 0x0008,
        bars: Dictionary(
            uniqueKeysWithValues: (0..<6).map { ($0, BARDescription(kind: .memory32, size: $0 < 5 ? page : 4 * page)) }),
        romSize: page,
        msix: MSIXDescription(
            vectors: 1, table: BARLocation(bar: 5, offset: page), pendingBits: BARLocation(bar: 5, offset: page + 0x10)),
        doorbell: BARLocation(bar: 5, offset: page + 0x18))

    private static func gpu(memory: UInt64) -> FunctionDescription {
        FunctionDescription(
            vendorID: 0x1af4, deviceID: 0x0100, classCode: 0x030200,
            bars: [
                0: BARDescription(kind: .memory64, size: 16 << 20, isPrefetchable: true),
                2: BARDescription(kind: .memory64, size: memory, isPrefetchable: true),
                4: BARDescription(kind: .memory64, size: 32 << 20, isPrefetchable: true),
            ],
            msix: MSIXDescription(
                vectors: 9, table: BARLocation(bar: 0, offset: 0xb9_0000),
                pendingBits: BARLocation(bar: 0, offset: 0xba_0000)),
            doorbell: BARLocation(bar: 0, offset: 0xba_0008))
    }

    /// A drive with 16 KiB of memory that is not prefetchable, as NVMe drives have.
    private static let drive = FunctionDescription(
        vendorID: 0x1af4, deviceID: 0x0200, classCode: 0x010802,
        bars: [0: BARDescription(kind: .memory64, size: 4 * page)],
        msix: MSIXDescription(
            vectors: 33, table: BARLocation(bar: 0, offset: 2 * page),
            pendingBits: BARLocation(bar: 0, offset: 3 * page)),
        doorbell: BARLocation(bar: 0, offset: 3 * page + 8))

    /// A network card whose sixteen virtual functions have a BAR of 1 MiB each.
    private static let card = {
        var card = FunctionDescription(
            vendorID: 0x1af4, deviceID: 0x0300, classCode: 0x020000,
            bars: [0: BARDescription(kind: .memory64, size: 32 << 20, isPrefetchable: true)], romSize: 1 << 20,
            msix: MSIXDescription(
                vectors: 64, table: BARLocation(bar: 0, offset: 0x2000),
                pendingBits: BARLocation(bar: 0, offset: 0x3000)),
            doorbell: BARLocation(bar: 0, offset: 0x3008))
        card.virtualCount = 16
        card.virtualBARs = [0: BARDescription(kind: .memory64, size: 1 << 20, isPrefetchable: true)]
        return card
    }()

    /// A server with five root ports. Behind four of them is a switch each, with two GPUs, a network card and two drives.
    /// Behind the fifth is a drive.
    private static let server: Layout = {
        let accelerator = gpu(memory: 128 << 30)
        var bridges: [FunctionAddress: BridgeDescription] = [:]
        var functions: [Layout.Function] = []
        var bus: UInt16 = 0
        func port(_ number: UInt16, on parent: UInt16, to last: UInt16) {
            bus += 1
            bridges[FunctionAddress(requesterID: parent << 8 | number << 3)] = BridgeDescription(
                secondary: UInt8(bus), subordinate: UInt8(last))
        }
        for root in UInt16(1)...5 {
            let devices = root < 5 ? [accelerator, accelerator, card, drive, drive] : [drive]
            let isSwitch = devices.count > 1
            port(root, on: 0, to: bus + 1 + (isSwitch ? UInt16(devices.count) + 1 : 0))
            if isSwitch { port(0, on: bus, to: bus + 1 + UInt16(devices.count)) }
            let inside = bus
            for (number, device) in devices.enumerated() {
                if isSwitch { port(UInt16(number), on: inside, to: bus + 1) }
                functions.append(Layout.Function(address: FunctionAddress(requesterID: bus << 8), description: device))
            }
        }
        guard let ports = try? Layout.ports(bridges) else { preconditionFailure("the buses are those of a tree") }
        return Layout(name: "server-8-gpus", functions: (functions + ports).sorted { $0.address < $1.address })
    }()

    private static let slots: Layout = {
        let numbers: ClosedRange<UInt8> = 1...4
        let bridges = numbers.map { number in
            (
                FunctionAddress(requesterID: UInt16(number) << 3),
                BridgeDescription(secondary: number, subordinate: number, reserve: [.memory: 2 << 20], hasSlot: true)
            )
        }
        guard let ports = try? Layout.ports(Dictionary(uniqueKeysWithValues: bridges)) else {
            preconditionFailure("a port to each bus")
        }
        let functions = [(0x100, drive), (0x28, typical), (0x30, typical)] as [(UInt16, FunctionDescription)]
        let all = ports + functions.map { Function(address: FunctionAddress(requesterID: $0), description: $1) }
        return Layout(name: "slots-4", functions: all.sorted { $0.address < $1.address })
    }()
}
