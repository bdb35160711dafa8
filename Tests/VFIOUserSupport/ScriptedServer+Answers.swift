import Foundation
import Host
public import PCI
import VFIOUser

extension ScriptedServer {
    func answer(
        _ header: Header, _ payload: [UInt8], _ passed: [SharedDescriptor], _ client: borrowing Connection
    ) throws -> Answer {
        switch Command(rawValue: header.command) {
        case .version: return Answer(payload: Version().bytes)
        case .deviceInfo: return Answer(payload: DeviceInfo(canReset: record.canReset).bytes)
        case .regionInfo:
            let query = try RegionQuery(payload)
            guard let number = DeviceRecord.RegionNumber(rawValue: query.region), let region = record.regions[number]
            else { return Answer(errno: 22) }
            let bytes = RegionInfo(region: region, offset: Self.areaOffset).bytes(of: number)
            guard query.room >= bytes.count else { return Answer(payload: Array(bytes.prefix(RegionInfo.size))) }
            return Answer(payload: bytes, descriptors: region.areas.map { _ in shared })
        case .regionIOEvents:
            let number = DeviceRecord.RegionNumber(rawValue: try RegionQuery(payload).region) ?? .vga
            let isOffered = number == .bar0
            return Answer(
                payload: RegionEvents(region: number, events: isOffered ? offered : []).bytes,
                descriptors: isOffered ? [doorbell, shared] : [])
        case .interruptInfo:
            let kind = DeviceRecord.InterruptKind(rawValue: try InterruptInfo(payload).kind) ?? .error
            return Answer(
                payload: InterruptInfo(kind.rawValue, record.interrupts[kind] ?? .init(count: 0, traits: [])).bytes)
        case .setInterrupts: return try set(InterruptChange(payload), passed)
        case .mapDMA:
            let mapping = try DMAMapping(payload)
            guard passed.count == 1 else { return Answer(errno: 22) }
            state.withLock { $0.mapped.append(mapping) }
            return Answer()
        case .unmapDMA:
            let end = try DMAUnmapping(payload)
            state.withLock { $0.mapped.removeAll { $0.address == end.address && $0.size == end.size } }
            return Answer(payload: payload)
        case .readRegion: return try access(RegionAccess(payload, hasData: false), client)
        case .writeRegion: return try access(RegionAccess(payload, hasData: true), client)
        case .reset:
            state.withLock { $0.resets += 1 }
            return Answer()
        case .readMemory, .writeMemory, nil: return Answer(errno: 22)
        }
    }

    private func set(_ change: InterruptChange, _ passed: [SharedDescriptor]) throws -> Answer {
        guard let kind = DeviceRecord.InterruptKind(rawValue: change.kind) else { return Answer(errno: 22) }
        return state.withLock { state in
            switch (change.action, change.content) {
            case (.unmask, _): state.unmasks += 1
            case (.trigger, .none): state.events[kind] = nil
            case (.trigger, .eventfds) where passed.count == Int(change.count):
                for (index, event) in passed.enumerated() {
                    state.events[kind, default: [:]][change.start + UInt32(index)] = event
                }
            default: return Answer(errno: 22)
            }
            return Answer()
        }
    }

    private func access(_ access: RegionAccess, _ client: borrowing Connection) throws -> Answer {
        guard let number = DeviceRecord.RegionNumber(rawValue: access.region),
            let size = record.regions[number]?.size, access.offset <= size, UInt64(access.count) <= size - access.offset
        else { return Answer(errno: 22) }
        let part = Int(access.offset)..<Int(access.offset) + Int(access.count)
        var answer = access
        guard !access.data.isEmpty else {
            answer.data = state.withLock { $0.memory[number].map { Array($0[part]) } ?? [] }
            return Answer(payload: answer.bytes)
        }
        state.withLock { $0.memory[number]?.replaceSubrange(part, with: access.data) }
        answer.data = []
        if number == .bar0, access.count >= 4 {
            let value = access.data.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            switch access.offset {
            case 0:
                for kind in [DeviceRecord.InterruptKind.intx, .msi, .msix] {
                    signal(kind, kind == .intx ? 0 : UInt32(truncatingIfNeeded: value))
                }
            case 0x08, 0x18: try moveMemory(value, isWrite: access.offset == 0x18, client)
            default: break
            }
        }
        return Answer(payload: answer.bytes)
    }

    /// Reads or writes 8 bytes of the client's memory. What the client asks meanwhile is answered first.
    func moveMemory(_ address: UInt64, isWrite: Bool, _ client: borrowing Connection) throws {
        let data = isWrite ? state.withLock { Array($0.memory[.bar0]?[0x10..<0x18] ?? []) } : []
        let asked = MemoryAccess(address: address, count: 8, data: data)
        let command = Header(isWrite ? .writeMemory : .readMemory, id: 0x7777, payload: asked.bytes.count)
        try client.send(command.bytes + asked.bytes, with: [], within: .seconds(30))
        while true {
            let (bytes, descriptors) = try client.receive(exactly: 16, mostDescriptors: 32, within: .seconds(30))
            let header = try Header(bytes)
            let payload = try client.receive(exactly: header.payloadSize, within: .seconds(30)).bytes
            guard header.isReply else {
                state.withLock { $0.commands.append(header.command) }
                try send(answer(header, payload, descriptors, client), to: header, client)
                continue
            }
            state.withLock { $0.errors.append(header.error) }
            if !isWrite, header.error == nil {
                let data = try MemoryAccess(payload, hasData: true).data
                state.withLock { $0.memory[.bar0]?.replaceSubrange(0x10..<0x18, with: data) }
            }
            return
        }
    }
}

extension DeviceRecord {
    /// A device with one of everything: registers, areas with the MSI-X table between, ports, a ROM and all kinds of interrupts.
    public static var scripted: DeviceRecord {
        var configuration = [UInt8](repeating: 0, count: 256)
        func set(_ bytes: [UInt8], at offset: Int) {
            configuration.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        }
        set([0xf4, 0x1a, 0xf5, 0x10, 0, 0, 0x10, 0, 0x01, 0, 0, 0xff], at: 0)
        set([0x01], at: 0x20)
        set([0xf4, 0x1a, 0x77, 0x00], at: 0x2c)
        set([0x40], at: 0x34)
        set([0, 1], at: 0x3c)
        set([0x11, 0x50, 0x03, 0, 0x02, 0, 0, 0, 0x02, 0x08, 0, 0], at: 0x40)
        set([0x05, 0x70, 0x84, 0], at: 0x50)
        set([0x09, 0, 0x10, 0x42], at: 0x70)
        return DeviceRecord(
            regions: [
                .bar0: Region(size: 0x1000), .bar2: Region(size: 0x8000, areas: ScriptedServer.areas),
                .bar4: Region(size: 0x20), .rom: Region(size: 0x800, isWritable: false),
                .configuration: Region(size: 256),
            ],
            interrupts: [
                .intx: Interrupts(count: 1, traits: [.eventfd, .maskable, .automasked]),
                .msi: Interrupts(count: 4, traits: .eventfd), .msix: Interrupts(count: 4, traits: .eventfd),
            ],
            canReset: true, configuration: configuration)
    }
}
