internal import Devices
public import Host
public import PCI

/// A function that clients of vfio-user can drive: its configuration space, its regions in one memory file, and everything that the
/// present client has set up.
///
/// Every byte of a region keeps what is written to it, by a mapping or by a message. A write to the doorbell raises the vector of
/// that number.
public struct ServedFunction: ~Copyable, Sendable {
    /// The regions, interrupts, reset and configuration space that the function gives to a client.
    public let record: DeviceRecord
    private var function: PCIFunction
    private let file: SharedDescriptor
    private let memory: ForeignMemory
    /// The place of each region in the file, in bytes.
    private let places: [DeviceRecord.RegionNumber: UInt64]
    /// The eventfds of the present client, by kind and vector.
    private var events: [DeviceRecord.InterruptKind: [UInt32: SharedDescriptor]] = [:]
    /// The parts of its memory that the present client has mapped for DMA.
    private var mappings: [DMAMapping] = []
    /// The eventfd for writes of 0 to the doorbell, four bytes wide. A client may have KVM take such writes (`KVM_IOEVENTFD`). It
    /// is nil without a doorbell.
    let doorbell: SharedDescriptor?

    /// The reason why a command is refused, as an errno.
    private struct Refusal: Error {
        static let invalid = Refusal(errno: 22)
        static let fault = Refusal(errno: 14)
        let errno: UInt32
    }

    /// The answer to a command.
    struct Answer {
        var payload: [UInt8] = []
        var descriptors: [SharedDescriptor] = []
        var errno: UInt32?
    }

    /// Creates the function and its memory. The memory is zero, except for the first bytes of a ROM.
    public init(_ function: PCIFunction, _ record: DeviceRecord) throws(HostError) {
        var (places, end) = ([DeviceRecord.RegionNumber: UInt64](), UInt64(4096))
        for number in DeviceRecord.RegionNumber.allCases where number != .configuration {
            guard let region = record.regions[number], region.size > 0 else { continue }
            places[number] = end
            // This does not overflow: the regions have valid sizes of BARs, and there are eight of them.
            end &+= (region.size &+ 4095) & ~4095
        }
        let file = try MemoryFile.sealed(name: "swiftlet-served", size: end)
        let shared = try SharedDescriptor(file)
        let doorbell =
            function.description.doorbell == nil ? nil : try SharedDescriptor(eventFor: "the doorbell")
        memory = try ForeignMemory(file, offset: 0, size: end)
        (self.file, self.doorbell) = (shared, doorbell)
        (self.function, self.record, self.places) = (function, record, places)
        // Software recognises a ROM by these bytes (PCI 3.0, 6.3.1.1).
        if let rom = places[.rom] { _ = memory.write([0x55, 0xaa].span, at: rom) }
    }

    /// Forgets what the client has set up, and puts the function into its state after reset. The memory stays.
    mutating func release() {
        events = [:]
        mappings = []
        function.reset()
    }

    /// Carries out a command, and returns the answer.
    mutating func answer(_ header: Header, _ payload: [UInt8], _ descriptors: [SharedDescriptor]) -> Answer {
        do {
            switch Command(rawValue: header.command) {
            case .deviceInfo: return Answer(payload: DeviceInfo(canReset: record.canReset).bytes)
            case .regionInfo: return try regionInfo(RegionQuery(payload))
            case .regionIOEvents: return try regionEvents(RegionQuery(payload))
            case .interruptInfo: return try interruptInfo(InterruptInfo(payload))
            case .setInterrupts: try setInterrupts(InterruptChange(payload), descriptors)
            case .mapDMA: try map(DMAMapping(payload))
            case .unmapDMA: return try unmap(DMAUnmapping(payload), payload)
            case .readRegion: return try read(RegionAccess(payload, hasData: false))
            case .writeRegion: return try write(RegionAccess(payload, hasData: true))
            case .reset:
                guard record.canReset else { throw Refusal.invalid }
                function.reset()
            case .version, .readMemory, .writeMemory, nil: throw Refusal.invalid
            }
            return Answer()
        } catch let refusal as Refusal {
            return Answer(errno: refusal.errno)
        } catch {
            return Answer(errno: Refusal.invalid.errno)
        }
    }

    // MARK: Descriptions

    private func number(_ index: UInt32) throws(Refusal) -> DeviceRecord.RegionNumber {
        guard let number = DeviceRecord.RegionNumber(rawValue: index) else { throw .invalid }
        return number
    }

    private func regionInfo(_ query: RegionQuery) throws(Refusal) -> Answer {
        let number = try number(query.region)
        let region = record.regions[number] ?? .init(size: 0, isReadable: false, isWritable: false)
        let bytes = RegionInfo(region: region, offset: places[number] ?? 0).bytes(of: number)
        // A client that has left room for the fields alone asks again, with room for the whole structure.
        guard query.room >= bytes.count else { return Answer(payload: Array(bytes.prefix(RegionInfo.size))) }
        return Answer(payload: bytes, descriptors: region.areas.isEmpty ? [] : [file])
    }

    private func regionEvents(_ query: RegionQuery) throws(Refusal) -> Answer {
        let number = try number(query.region)
        guard let place = function.description.doorbell, let doorbell,
            DeviceRecord.RegionNumber(.bar(place.bar)) == number
        else {
            return Answer(payload: RegionEvents(region: number, events: []).bytes)
        }
        let event = RegionEvents.Event(offset: place.offset, size: 4, descriptor: 0, match: 0)
        return Answer(payload: RegionEvents(region: number, events: [event]).bytes, descriptors: [doorbell])
    }

    private func interruptInfo(_ query: InterruptInfo) throws(Refusal) -> Answer {
        guard let kind = DeviceRecord.InterruptKind(rawValue: query.kind) else { throw .invalid }
        let interrupts = record.interrupts[kind] ?? .init(count: 0, traits: [])
        return Answer(payload: InterruptInfo(query.kind, interrupts).bytes)
    }

    // MARK: Interrupts

    private mutating func setInterrupts(_ change: InterruptChange, _ passed: [SharedDescriptor]) throws(Refusal) {
        guard let kind = DeviceRecord.InterruptKind(rawValue: change.kind) else { throw .invalid }
        let count = record.interrupts[kind]?.count ?? 0
        guard change.start <= count, change.count <= count - change.start else { throw .invalid }
        // Masking is refused, because clients themselves mask vectors of MSI and MSI-X.
        guard change.action == .trigger else { throw .invalid }
        let vectors = change.start..<change.start + change.count
        switch change.content {
        case .none where change.count == 0: events[kind] = nil
        case .none: vectors.forEach { events[kind]?[$0]?.post() }
        case .flags: zip(vectors, change.flags).forEach { if $1 { events[kind]?[$0]?.post() } }
        case .eventfds:
            guard passed.isEmpty || passed.count == vectors.count else { throw .invalid }
            for (index, vector) in vectors.enumerated() {
                events[kind, default: [:]][vector] = passed.isEmpty ? nil : passed[index]
            }
        }
    }

    /// Raises a vector by MSI-X if the client has set MSI-X up for it, otherwise by MSI.
    func raise(_ vector: UInt32) {
        (events[.msix]?[vector] ?? events[.msi]?[vector])?.post()
    }

    // MARK: Memory of the client

    private mutating func map(_ new: DMAMapping) throws(Refusal) {
        let end = new.address.addingReportingOverflow(new.size)
        guard new.size > 0, !end.overflow, new.address % 4096 == 0, new.size % 4096 == 0 else { throw .invalid }
        guard !mappings.contains(new) else { return }
        let overlaps = mappings.contains { $0.address < end.partialValue && new.address < $0.address &+ $0.size }
        guard !overlaps, mappings.count < 1 << 16 else { throw .invalid }
        mappings.append(new)
    }

    private mutating func unmap(_ end: DMAUnmapping, _ payload: [UInt8]) throws(Refusal) -> Answer {
        if end.isAll {
            mappings = []
        } else {
            let index = mappings.firstIndex { $0.address == end.address && $0.size == end.size }
            guard let index else { throw .invalid }
            mappings.remove(at: index)
        }
        return Answer(payload: payload)
    }

    // MARK: Accesses

    private func region(_ access: RegionAccess) throws(Refusal) -> DeviceRecord.RegionNumber {
        let number = try number(access.region)
        guard let size = record.regions[number]?.size, access.offset <= size,
            UInt64(access.count) <= size - access.offset,
            UInt64(access.count) <= Version.transferSize
        else { throw .invalid }
        return number
    }

    private mutating func read(_ access: RegionAccess) throws(Refusal) -> Answer {
        var answer = access
        switch try region(access) {
        case .configuration:
            answer.data = (0..<UInt64(access.count)).map { index in
                UInt8(truncatingIfNeeded: function.read(at: access.offset &+ index, width: .byte))
            }
        case let number:
            guard let place = places[number],
                let data = memory.read(count: Int(access.count), at: place &+ access.offset)
            else { throw .fault }
            answer.data = data
        }
        return Answer(payload: answer.bytes)
    }

    private mutating func write(_ access: RegionAccess) throws(Refusal) -> Answer {
        var answer = access
        answer.data = []
        switch try region(access) {
        case .configuration:
            for (index, byte) in access.data.enumerated() {
                let offset = access.offset &+ UInt64(index)
                if case .proposed(let proposal) = function.write(UInt64(byte), at: offset, width: .byte) {
                    _ = function.commit(proposal)
                }
            }
        case let number:
            guard record.regions[number]?.isWritable == true else { throw .invalid }
            guard let place = places[number], memory.write(access.data.span, at: place &+ access.offset) else {
                throw .fault
            }
            if let doorbell = function.description.doorbell, DeviceRecord.RegionNumber(.bar(doorbell.bar)) == number,
                doorbell.offset == access.offset, access.data.count <= 8
            {
                raise(UInt32(truncatingIfNeeded: access.data.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }))
            }
        }
        return Answer(payload: answer.bytes)
    }
}
