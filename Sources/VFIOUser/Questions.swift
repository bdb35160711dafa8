public import Host
internal import PCI

/// What a client asks when it has connected. Each answer is checked.
struct Questions {
    let connection: ServerConnection

    /// The time for an answer.
    private static let time = Duration.seconds(5)
    /// The most bytes of a description.
    private static let mostRoom: UInt32 = 1 << 16

    private func reply(_ command: Command, _ payload: [UInt8]) throws(DeviceProcessError) -> ServerConnection.Reply? {
        do {
            let reply = try connection.request(command, payload, within: Self.time)
            return reply.error == nil ? reply : nil
        } catch {
            throw .lost(error)
        }
    }

    /// Asks, and decodes the answer. Returns nil if the server refuses.
    func ask<Answer>(
        _ command: Command, _ payload: [UInt8], _ decode: ([UInt8]) throws(MessageError) -> Answer
    ) throws(DeviceProcessError) -> Answer? {
        guard let reply = try reply(command, payload) else { return nil }
        do { return try decode(reply.payload) } catch { throw .message(command, error) }
    }

    func version() throws(DeviceProcessError) -> Version {
        let version = try ask(.version, Version().bytes) { payload throws(MessageError) in try Version(payload) }
        guard let version else { throw .refused(.version) }
        return version
    }

    /// Asks twice if the first answer says that there is more.
    private func askAgain(
        _ command: Command, _ payload: (UInt32) -> [UInt8], room: UInt32
    ) throws(DeviceProcessError) -> ServerConnection.Reply? {
        guard let first = try reply(command, payload(room)) else { return nil }
        guard let whole = RegionInfo.wholeSize(first.payload), whole > room, whole <= Self.mostRoom else {
            return first
        }
        return try reply(command, payload(whole))
    }

    /// A region, and the descriptor of its file. Surplus descriptors are closed.
    func region(
        _ number: DeviceRecord.RegionNumber
    ) throws(DeviceProcessError) -> (RegionInfo, SharedDescriptor?)? {
        let reply = try askAgain(
            .regionInfo, { RegionQuery(number, room: $0).bytes }, room: UInt32(RegionInfo.size))
        guard let reply else { return nil }
        do throws(DeviceInfoError) {
            return (try RegionInfo(reply.payload, of: number), reply.descriptors.first)
        } catch {
            throw .message(.regionInfo, .info(error))
        }
    }

    /// The writes to a region for which the server has eventfds. What no eventfd can take is left out.
    func events(
        of number: DeviceRecord.RegionNumber, size: UInt64
    ) throws(DeviceProcessError) -> [DeviceProcess.WriteEvent] {
        let reply = try askAgain(.regionIOEvents, { RegionQuery(number, room: $0).eventBytes }, room: 16)
        guard let reply else { return [] }
        let events: RegionEvents
        do { events = try RegionEvents(reply.payload) } catch { throw .message(.regionIOEvents, error) }
        return events.events.compactMap { event in
            let index = Int(event.descriptor)
            guard reply.descriptors.indices.contains(index), [1, 2, 4, 8].contains(event.size), event.offset <= size,
                event.size <= size - event.offset
            else { return nil }
            return DeviceProcess.WriteEvent(region: number, event: event, descriptor: reply.descriptors[index])
        }
    }

    func interrupts(
        _ kind: DeviceRecord.InterruptKind
    ) throws(DeviceProcessError) -> DeviceRecord.Interrupts? {
        let found = try ask(.interruptInfo, InterruptInfo(kind.rawValue).bytes) { payload throws(MessageError) in
            let info = try InterruptInfo(payload)
            guard info.kind == kind.rawValue else {
                throw .mismatch("kind", asked: UInt64(kind.rawValue), answered: UInt64(info.kind))
            }
            return info.interrupts
        }
        let most: UInt32 = kind == .msix ? 2048 : kind == .msi ? 32 : 1
        return found.map { DeviceRecord.Interrupts(count: min($0.count, most), traits: $0.traits) }
    }

    /// The bytes of configuration space: 4096, or 256 where the region has fewer.
    func configuration(_ record: DeviceRecord, most: UInt64) throws(DeviceProcessError) -> [UInt8] {
        let size: UInt64 = record.regions[.configuration].map { $0.size < 4096 } == false ? 4096 : 256
        var bytes: [UInt8] = []
        while bytes.count < size {
            let count = UInt32(min(most, 256, size - UInt64(bytes.count)))
            let access = RegionAccess(.configuration, offset: UInt64(bytes.count), count: count)
            let data = try ask(.readRegion, access.bytes) { payload throws(MessageError) in
                let answer = try RegionAccess(payload, hasData: true)
                try answer.check(answers: access)
                return answer.data
            }
            guard let data else { throw .refused(.readRegion) }
            bytes += data
        }
        return bytes
    }
}

/// Why a device in another process cannot be used.
public enum DeviceProcessError: Error, Equatable, Sendable {
    /// There is no connection.
    case host(HostError)
    /// The connection ended, or the server did not answer.
    case lost(DeviceLoss)
    /// The server refused a command that every server carries out.
    case refused(Command)
    /// The answer to a command makes no sense.
    case message(Command, MessageError)
}

extension DeviceProcessError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .host(let error): "\(error)"
        case .lost(let loss): "\(loss)"
        case .refused(let command): "the device process refused a command that every one carries out (\(command))"
        case .message(let command, let error):
            "the device process answered \(command) with what makes no sense: \(error)"
        }
    }
}
