internal import Devices
internal import Host
internal import Memslots
internal import PCI
internal import VFIO

/// A function of the host behind a function of the guest's.
final class VFIOFunction: Sendable {
    let device: VFIODevice

    init(_ device: consuming VFIODevice) { self.device = device }

    /// Returns the parts of BARs that can be mapped, each as memory for guests.
    func areas() throws(HostError) -> [(region: DeviceRecord.RegionNumber, area: Range<UInt64>, memory: ForeignBacking)]
    {
        var areas: [(region: DeviceRecord.RegionNumber, area: Range<UInt64>, memory: ForeignBacking)] = []
        for (number, region) in device.record.regions.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            for area in region.areas where area.lowerBound % Page.size == 0 && area.upperBound % Page.size == 0 {
                areas.append((number, area, try ForeignBacking(try device.memory(number, area))))
            }
        }
        return areas
    }
}

/// What stands behind a function that is assigned by VFIO.
struct VFIOModel: FunctionModel {
    let description: FunctionDescription
    let function: VFIOFunction
    /// The backings of the areas that can be mapped.
    let areas: [(region: DeviceRecord.RegionNumber, area: Range<UInt64>, backing: Backing)]

    func backing(of piece: BARPiece, in register: BaseAddressRegister) -> Backing? {
        guard let region = DeviceRecord.RegionNumber(register),
            let area = areas.first(where: { $0.region == region && $0.area.contains(piece.offsets.lowerBound) })
        else { return nil }
        return Backing(
            id: area.backing.id, offset: area.backing.offset + piece.offsets.lowerBound - area.area.lowerBound)
    }

    func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard let region = DeviceRecord.RegionNumber(register) else { return width.allOnes }
        return (try? function.device.read(region, at: offset, count: width.rawValue)) ?? width.allOnes
    }

    func write(_ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth)
        -> FunctionEffects
    {
        if let region = DeviceRecord.RegionNumber(register) {
            try? function.device.write(value, region, at: offset, count: width.rawValue)
        }
        return .none
    }

    func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64 {
        (try? function.device.read(.configuration, at: offset, count: width.rawValue)) ?? width.allOnes
    }

    func writeConfiguration(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> FunctionEffects {
        try? function.device.write(value, .configuration, at: offset, count: width.rawValue)
        return .none
    }

    /// The place of the command register (PCI 3.0, 6.2.2).
    private static let command: UInt64 = 4

    func setCommand(_ command: UInt16) {
        try? function.device.write(UInt64(command), .configuration, at: Self.command, count: 2)
    }

    func reset() {
        if function.device.record.canReset { try? function.device.reset() }
    }
}
