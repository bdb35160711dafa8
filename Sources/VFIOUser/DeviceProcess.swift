public import Host
public import PCI

/// A device in another process, which is reached by vfio-user.
///
/// Any thread may call any method. Methods that ask the device wait for the answer. Once the device is lost, all methods return at
/// once.
public final class DeviceProcess: Sendable {
    /// A kind of writes to a place in a region for which the server has an eventfd.
    public struct WriteEvent: Sendable {
        /// The region that is written to.
        public let region: DeviceRecord.RegionNumber
        /// The place in the region, and the width and value of the writes.
        public let event: RegionEvents.Event
        /// The eventfd of the server.
        public let descriptor: SharedDescriptor
    }

    /// The path of the socket, or the name that was given to a connection.
    public let path: String
    /// The regions, interrupts, reset and configuration space that the device gives.
    public let record: DeviceRecord
    /// The writes for which the server offers eventfds.
    public let events: [WriteEvent]
    private let connection: ServerConnection
    /// The regions that have areas, each with its description and its file.
    private let files: [DeviceRecord.RegionNumber: (info: RegionInfo, file: SharedDescriptor)]
    /// The largest number of bytes of region data in one message.
    private let mostData: UInt64
    /// The eventfds that the server has, by kind and vector.
    private let attached = Lock<[DeviceRecord.InterruptKind: [SharedDescriptor?]]>([:])

    /// The time that the server has for all answers at the beginning, and for the ROM.
    public static let startTime = Duration.seconds(5)
    /// The time that the server has for an answer while guest memory changes, or for a reset.
    private static let changeTime = Duration.seconds(1)

    /// Connects to a server and asks for everything that does not change.
    ///
    /// - Parameter time: The time that the server has for all answers.
    public convenience init(path: String, within time: Duration = startTime) throws(DeviceProcessError) {
        let connection: ServerConnection
        do { connection = try ServerConnection(Connection(toLocal: path), to: path) } catch { throw .host(error) }
        try self.init(connection, path, within: time)
    }

    /// Asks a server for everything that does not change, through a connection that somebody else has made.
    ///
    /// - Parameters:
    ///   - name: The name of the connection, its path for example.
    ///   - time: The time that the server has for all answers.
    public convenience init(
        connected socket: SharedDescriptor, name: String, within time: Duration = startTime
    ) throws(DeviceProcessError) {
        let connection: ServerConnection
        do { connection = try ServerConnection(Connection(socket, name: name), to: name) } catch { throw .host(error) }
        try self.init(connection, name, within: time)
    }

    private init(_ connection: ServerConnection, _ path: String, within time: Duration) throws(DeviceProcessError) {
        let questions = Questions(connection: connection, deadline: .now + time)
        let mostData = try questions.ask(.version, Version().bytes, Version.init).maximumTransfer
        let asked = DeviceInfo(canReset: false, regionCount: 0, interruptCount: 0)
        let info = try questions.ask(.deviceInfo, asked.bytes, DeviceInfo.init)
        var record = DeviceRecord(canReset: info.canReset)
        var files: [DeviceRecord.RegionNumber: (info: RegionInfo, file: SharedDescriptor)] = [:]
        var events: [WriteEvent] = []
        for number in DeviceRecord.RegionNumber.allCases where number.rawValue < info.regionCount {
            guard let found = try questions.region(number), found.info.region.size > 0 else { continue }
            var region = found.info.region
            if let file = found.file, !region.areas.isEmpty { files[number] = (found.info, file) }
            // Without a file there is nothing to map.
            if found.file == nil { region.areas = [] }
            record.regions[number] = region
            if number.rawValue < DeviceRecord.RegionNumber.rom.rawValue {
                events += try questions.events(of: number, size: region.size)
            }
        }
        for kind in DeviceRecord.InterruptKind.allCases where kind.rawValue < info.interruptCount {
            record.interrupts[kind] = try questions.interrupts(kind)
        }
        record.configuration = try questions.configuration(record, most: mostData)
        (self.path, self.record, self.events, self.mostData) = (path, record, events, mostData)
        (self.connection, self.files) = (connection, files)
        do { try HostThread(name: "vfio-user") { connection.run() }.detach() } catch { throw .host(error) }
    }

    deinit { release() }

    /// Ends the connection. The calls of all threads that wait for an answer return.
    public func release() { connection.fail(.released) }

    // MARK: Loss

    /// The reason why the device is lost, or nil if it is not lost.
    public var loss: DeviceProcessError? { connection.loss }

    /// Has a thread call `handler` when the device is lost. If the device is lost already, returns the reason, and never calls the
    /// handler.
    public func onLoss(_ handler: LossHandler) -> DeviceProcessError? { connection.onLoss(handler) }

    /// Gives the device up as lost if a file of one of its regions has become too short for the areas of that region. Returns the
    /// reason if the device is lost.
    public func checkFiles() -> DeviceProcessError? {
        let isWhole = files.values.allSatisfy { info, file in
            let end = info.offset &+ (info.region.areas.last?.upperBound ?? 0)
            return file.fileSize.map { $0 >= end } ?? false
        }
        if !isWhole { connection.fail(.cutFile) }
        return connection.loss
    }

    // MARK: Regions

    /// Reads bytes of a region. Returns nil if the device refuses or is lost. The ROM is read while a machine is made, so a device
    /// that takes longer than five seconds for it is lost.
    public func read(_ region: DeviceRecord.RegionNumber, at offset: UInt64, count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        let deadline = region == .rom ? SuspendingClock.now + Self.startTime : nil
        while bytes.count < count {
            let part = UInt32(min(mostData, UInt64(count - bytes.count)))
            let access = RegionAccess(region, offset: offset &+ UInt64(bytes.count), count: part)
            guard let data = reply(.readRegion, access, hasData: true, until: deadline)?.data else { return nil }
            bytes += data
        }
        return bytes
    }

    /// Writes bytes of a region. They must fit into one message.
    public func write(_ bytes: [UInt8], _ region: DeviceRecord.RegionNumber, at offset: UInt64) {
        let access = RegionAccess(region, offset: offset, count: UInt32(bytes.count), data: bytes)
        _ = reply(.writeRegion, access, hasData: false)
    }

    /// Makes an access and waits. Returns the answer unless it is an error. An answer about another access ends the connection.
    private func reply(
        _ command: Command, _ access: RegionAccess, hasData: Bool, until deadline: SuspendingClock.Instant? = nil
    ) -> RegionAccess? {
        let left = deadline.map { max(.zero, $0 - SuspendingClock.now) }
        guard let reply = try? connection.request(command, access.bytes, within: left), reply.error == nil else {
            return nil
        }
        do { return try access.answer(reply.payload, hasData: hasData) } catch {
            connection.fail(.message(error))
            return nil
        }
    }

    /// Opens a part of a region as memory. The part must lie in areas that can be mapped.
    public func openMemory(
        of region: DeviceRecord.RegionNumber, _ part: Range<UInt64>
    ) throws(HostError) -> ForeignMemory {
        guard let (info, file) = files[region] else { preconditionFailure("region \(region) has no areas") }
        return try ForeignMemory(
            file, name: "\(region) of \(path)", offset: info.offset &+ part.lowerBound,
            size: part.upperBound - part.lowerBound)
    }

    // MARK: Memory and interrupts

    /// Sets the guest memory that the server's own accesses reach.
    public func setMemory(_ memory: any DMAMemory) { connection.setMemory(memory) }

    /// Gives the device a part of guest memory. Returns an errno if the device refuses, or does not answer within a second.
    public func map(_ mapping: DMAMapping, file: SharedDescriptor) -> UInt32? {
        change(.mapDMA, mapping.bytes, with: [file])
    }

    /// Takes a part of guest memory back from the device. A device that does not give it back is lost.
    public func unmap(_ mapping: DMAUnmapping) {
        if let errno = change(.unmapDMA, mapping.bytes) { connection.fail(.refused(.unmapDMA, errno: errno)) }
    }

    /// Sends a command that the device has to carry out within a second. Returns nil, or the errno of a refusal or of a loss (EIO).
    private func change(_ command: Command, _ payload: [UInt8], with descriptors: [SharedDescriptor] = []) -> UInt32? {
        guard let reply = try? connection.request(command, payload, with: descriptors, within: Self.changeTime) else {
            return Self.inputOutputError
        }
        return reply.error
    }

    private static let inputOutputError: UInt32 = 5

    /// Makes the device signal these eventfds from now on, by vector. A vector whose event is nil stays as it is. If the list of
    /// events is empty, the device signals no interrupts of this kind any more.
    ///
    /// - Parameter resample: The eventfd that is signalled when the guest has handled the interrupt line.
    /// - Returns: Always nil, because a process can signal all vectors that its device has.
    @discardableResult
    public func setInterrupts(
        _ kind: DeviceRecord.InterruptKind, _ events: [SharedDescriptor?], resample: SharedDescriptor?
    ) -> Int? {
        let before = attached.withLock { $0.updateValue(events, forKey: kind) ?? [] }
        if kind == .intx { connection.setResample(resample) }
        func set(_ content: InterruptChange.Content, _ vectors: Range<Int>, _ events: [SharedDescriptor] = []) {
            let (start, count) = (UInt32(vectors.lowerBound), UInt32(vectors.count))
            let change = InterruptChange(.trigger, content, kind, start: start, count: count)
            _ = try? connection.request(.setInterrupts, change.bytes, with: events, within: nil)
        }
        if events.isEmpty, !before.isEmpty { set(.none, 0..<0) }
        for (vector, event) in events.enumerated() {
            guard let event, vector >= before.count || before[vector] !== event else { continue }
            set(.eventfds, vector..<vector + 1, [event])
        }
        return nil
    }

    /// Resets the device if it can be reset. A device that takes longer than a second is lost.
    public func reset() {
        if record.canReset { _ = change(.reset, []) }
    }
}
