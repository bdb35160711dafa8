internal import Host
internal import PCI

/// The questions that a client asks when it has connected. Each answer is checked.
struct Questions {
    let connection: ServerConnection
    /// The time by which all answers have to be there.
    let deadline: SuspendingClock.Instant

    /// The largest number of bytes that a description may have.
    private static let mostRoom: UInt32 = 1 << 16

    private func request(_ command: Command, _ payload: [UInt8]) throws(DeviceProcessError) -> ServerConnection.Reply {
        try connection.request(command, payload, within: max(.zero, deadline - .now))
    }

    /// Sends a command, and decodes the answer. Throws if the server refuses.
    func ask<Answer>(
        _ command: Command, _ payload: [UInt8], _ decode: ([UInt8]) throws(MessageError) -> Answer
    ) throws(DeviceProcessError) -> Answer {
        let reply = try request(command, payload)
        if let errno = reply.error { throw .refused(command, errno: errno) }
        do { return try decode(reply.payload) } catch { throw .message(error) }
    }

    /// Sends a command with room for an answer, and a second time if the first answer says that it needs more room. Returns nil if
    /// the server refuses.
    private func askTwice(
        _ command: Command, room: UInt32, _ payload: (UInt32) -> [UInt8]
    ) throws(DeviceProcessError) -> ServerConnection.Reply? {
        var reply = try request(command, payload(room))
        if let whole = RegionInfo.wholeSize(reply.payload), whole > room, whole <= Self.mostRoom {
            reply = try request(command, payload(whole))
        }
        return reply.error == nil ? reply : nil
    }

    /// Returns a region, and the descriptor of its file if there is one. Returns nil if the server refuses. Surplus descriptors are
    /// closed.
    func region(
        _ number: DeviceRecord.RegionNumber
    ) throws(DeviceProcessError) -> (info: RegionInfo, file: SharedDescriptor?)? {
        let reply = try askTwice(.regionInfo, room: UInt32(RegionInfo.size)) { RegionQuery(number, room: $0).bytes }
        guard let reply else { return nil }
        do { return (try RegionInfo(reply.payload, of: number), reply.descriptors.first) } catch {
            throw .message(.info(error))
        }
    }

    /// Returns the writes to a region for which the server has eventfds. Leaves out writes that no eventfd can take, or that
    /// collide with writes of another eventfd. The device gets the writes that are left out by messages.
    func events(
        of number: DeviceRecord.RegionNumber, size: UInt64
    ) throws(DeviceProcessError) -> [DeviceProcess.WriteEvent] {
        let reply = try askTwice(.regionIOEvents, room: 16) { RegionQuery(number, room: $0).eventBytes }
        guard let reply else { return [] }
        let events: RegionEvents
        do { events = try RegionEvents(reply.payload) } catch { throw .message(error) }
        var taken: [DeviceProcess.WriteEvent] = []
        for event in events.events {
            guard reply.descriptors.indices.contains(Int(event.descriptor)), [1, 2, 4, 8].contains(event.size),
                event.offset <= size, event.size <= size - event.offset,
                reply.descriptors[Int(event.descriptor)].isEvent,
                !taken.contains(where: { $0.event.collides(with: event) })
            else { continue }
            taken.append(
                DeviceProcess.WriteEvent(
                    region: number, event: event, descriptor: reply.descriptors[Int(event.descriptor)]))
        }
        return taken
    }

    /// Returns the interrupts of a kind. A number that is larger than PCI allows is replaced by the largest that PCI allows.
    func interrupts(_ kind: DeviceRecord.InterruptKind) throws(DeviceProcessError) -> DeviceRecord.Interrupts {
        let info = try ask(.interruptInfo, InterruptInfo(kind.rawValue).bytes, InterruptInfo.init)
        guard info.kind == kind.rawValue else {
            throw .message(.mismatch("kind", asked: UInt64(kind.rawValue), answered: UInt64(info.kind)))
        }
        let most: UInt32 = kind == .msix ? 2048 : kind == .msi ? 32 : 1
        return DeviceRecord.Interrupts(count: min(info.interrupts.count, most), traits: info.interrupts.traits)
    }

    /// Returns the bytes of configuration space: 4096, or 256 if the region has fewer than 4096.
    func configuration(_ record: DeviceRecord, most: UInt64) throws(DeviceProcessError) -> [UInt8] {
        let whole = record.regions[.configuration]?.size ?? 0
        guard whole >= 256 else { throw .message(.short("configuration space", bytes: Int(whole), needed: 256)) }
        let size: UInt64 = whole < 4096 ? 256 : 4096
        var bytes: [UInt8] = []
        while bytes.count < size {
            let count = UInt32(min(most, 256, size - UInt64(bytes.count)))
            let access = RegionAccess(.configuration, offset: UInt64(bytes.count), count: count)
            bytes += try ask(.readRegion, access.bytes) { payload throws(MessageError) in
                try access.answer(payload, hasData: true).data
            }
        }
        return bytes
    }
}
