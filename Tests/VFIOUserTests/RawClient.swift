import Host
import PCI
import VFIOUser

/// A client that sends what a test gives it, message by message.
struct RawClient: ~Copyable {
    let connection: Connection
    private var lastID: UInt16 = 0

    struct Reply {
        let header: Header
        let payload: [UInt8]
        let descriptors: [SharedDescriptor]
    }

    init(_ path: String, version: Bool = true) throws {
        let connection = try Connection(toLocal: path)
        if version {
            let header = Header(.version, id: 0, payload: Version().bytes.count)
            try connection.send(header.bytes + Version().bytes, with: [], within: .seconds(10))
            _ = try Self.reply(on: connection)
        }
        self.connection = connection
    }

    mutating func ask(
        _ command: Command, _ payload: [UInt8] = [], _ descriptors: [SharedDescriptor] = []
    ) throws -> Reply {
        lastID &+= 1
        let header = Header(command, id: lastID, payload: payload.count)
        try connection.send(header.bytes + payload, with: descriptors, within: .seconds(10))
        return try Self.reply(on: connection)
    }

    static func reply(on connection: borrowing Connection) throws -> Reply {
        let (bytes, descriptors) = try connection.receive(exactly: 16, mostDescriptors: 32, within: .seconds(10))
        let header = try Header(bytes)
        let payload = try connection.receive(exactly: header.payloadSize, within: .seconds(10)).bytes
        return Reply(header: header, payload: payload, descriptors: descriptors)
    }

    mutating func read(_ region: DeviceRecord.RegionNumber, at offset: UInt64, count: UInt32) throws -> [UInt8] {
        let reply = try ask(.readRegion, RegionAccess(region, offset: offset, count: count).bytes)
        return try RegionAccess(reply.payload, hasData: true).data
    }

    mutating func write(_ bytes: [UInt8], _ region: DeviceRecord.RegionNumber, at offset: UInt64) throws -> UInt32? {
        let access = RegionAccess(region, offset: offset, count: UInt32(bytes.count), data: bytes)
        return try ask(.writeRegion, access.bytes).header.error
    }
}
