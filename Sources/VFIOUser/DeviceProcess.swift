public import Host
public import PCI

/// A device in another process, which is reached by vfio-user.
///
/// All of its methods may be called by any thread. Those that ask the device wait for the answer. Once the device is lost they return
/// at once.
public final class DeviceProcess: Sendable {
    /// Writes to a place of a region that an eventfd of the server's takes.
    public struct WriteEvent: Sendable {
        public let region: DeviceRecord.RegionNumber
        public let event: RegionEvents.Event
        public let descriptor: SharedDescriptor
    }

    /// The path of the socket.
    public let path: String
    /// What the device gives.
    public let record: DeviceRecord
    /// The writes for which the server offers eventfds.
    public let events: [WriteEvent]
    private let connection: ServerConnection
    private let files: [DeviceRecord.RegionNumber: RegionFile]
    private let version: Version
    /// The eventfds that the server has, by kind and vector.
    private let attached = Lock<[DeviceRecord.InterruptKind: [SharedDescriptor?]]>([:])

    private struct RegionFile: Sendable {
        let file: SharedDescriptor
        let offset: UInt64
        let size: UInt64
    }

    /// The time for the answer to what is asked when the connection is made, and for one inside a change of memory.
    private static let greetingTime = Duration.seconds(5)
    private static let changeTime = Duration.seconds(1)

    /// Connects to a server and asks it for everything that does not change.
    public init(path: String) throws(DeviceProcessError) {
        let connection: ServerConnection
        do { connection = try ServerConnection(path: path) } catch { throw .host(error) }
        let questions = Questions(connection: connection)
        version = try questions.version()
        let info = try questions.ask(.deviceInfo, DeviceInfo(canReset: false, regionCount: 0, interruptCount: 0).bytes)
        {
            payload throws(MessageError) in try DeviceInfo(payload)
        }
        guard let info else { throw .refused(.deviceInfo) }
        var record = DeviceRecord(canReset: info.canReset)
        var files: [DeviceRecord.RegionNumber: RegionFile] = [:]
        var events: [WriteEvent] = []
        for number in DeviceRecord.RegionNumber.allCases where number.rawValue < info.regionCount {
            guard var (region, descriptor) = try questions.region(number), region.region.size > 0 else { continue }
            if let descriptor, !region.region.areas.isEmpty {
                files[number] = RegionFile(
                    file: descriptor, offset: region.offset,
                    size: region.region.areas.map(\.upperBound).max() ?? 0)
            } else {
                // There is nothing to map.
                region.region.areas = []
                descriptor = nil
            }
            record.regions[number] = region.region
            if number.rawValue < DeviceRecord.RegionNumber.rom.rawValue {
                events += try questions.events(of: number, size: region.region.size)
            }
        }
        for kind in DeviceRecord.InterruptKind.allCases where kind.rawValue < info.interruptCount {
            if let interrupts = try questions.interrupts(kind) { record.interrupts[kind] = interrupts }
        }
        record.configuration = try questions.configuration(record, most: version.maximumTransfer)
        self.path = path
        self.record = record
        self.events = events
        self.connection = connection
        self.files = files
        do {
            try HostThread(name: "vfio-user") { connection.run() }.detach()
        } catch {
            throw .host(error)
        }
    }

    deinit {
        connection.fail(.released)
    }

    // MARK: Loss

    /// Why the device is lost, or nil if it is there.
    public var loss: DeviceLoss? { connection.loss }

    /// Has a thread call `handler` when the device is lost. Returns the reason instead if it is.
    public func onLoss(_ handler: LossHandler) -> DeviceLoss? { connection.onLoss(handler) }

    /// Gives the device up.
    public func fail(_ loss: DeviceLoss) { connection.fail(loss) }

    /// Gives the device up if a file of it does not hold its region any more. Returns whether it is lost.
    public func checkFiles() -> Bool {
        let isWhole = files.values.allSatisfy { file in
            let end = (file.offset &+ file.size + 4095) & ~4095
            return file.file.fileSize.map { $0 >= end } ?? false
        }
        if !isWhole { connection.fail(.cutFile) }
        return connection.loss != nil
    }

    // MARK: Regions

    /// Reads bytes of a region. Returns nil if the device refuses or is lost.
    public func read(_ region: DeviceRecord.RegionNumber, at offset: UInt64, count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let part = UInt32(min(version.maximumTransfer, UInt64(count - bytes.count)))
            let access = RegionAccess(region, offset: offset &+ UInt64(bytes.count), count: part)
            guard let data = reply(.readRegion, access, hasData: true)?.data else { return nil }
            bytes += data
        }
        return bytes
    }

    /// Writes bytes of a region, no more than one message takes.
    public func write(_ bytes: [UInt8], _ region: DeviceRecord.RegionNumber, at offset: UInt64) {
        let access = RegionAccess(region, offset: offset, count: UInt32(bytes.count), data: bytes)
        _ = reply(.writeRegion, access, hasData: false)
    }

    /// Makes an access, and returns the answer unless it is an error. An answer about another access ends the connection.
    private func reply(_ command: Command, _ access: RegionAccess, hasData: Bool) -> RegionAccess? {
        guard let reply = try? connection.request(command, access.bytes, within: nil), reply.error == nil else {
            return nil
        }
        do throws(MessageError) {
            let answer = try RegionAccess(reply.payload, hasData: hasData)
            try answer.check(answers: access)
            return answer
        } catch {
            connection.fail(.message(error))
            return nil
        }
    }

    /// Opens the memory of a part of a region. The part lies in areas that can be mapped.
    public func openMemory(
        of region: DeviceRecord.RegionNumber, _ part: Range<UInt64>
    ) throws(HostError) -> ForeignMemory {
        guard let file = files[region] else { preconditionFailure("region \(region) has no areas") }
        return try ForeignMemory(
            file.file, name: "\(region) of \(path)", offset: file.offset &+ part.lowerBound,
            size: part.upperBound - part.lowerBound)
    }

    // MARK: Memory and interrupts

    /// Lets the server's own accesses to guest memory reach it.
    public func setMemory(_ memory: any DMAMemory) { connection.setMemory(memory) }

    /// Gives the device a part of guest memory. Returns an errno if it refuses, or does not answer within a second.
    public func map(_ mapping: DMAMapping, file: SharedDescriptor) -> UInt32? {
        change(.mapDMA, mapping.bytes, with: [file])
    }

    /// Takes back a part of guest memory. A device that does not give it back is lost.
    public func unmap(_ mapping: DMAUnmapping) {
        if let errno = change(.unmapDMA, mapping.bytes) { connection.fail(.keepsMemory(errno)) }
    }

    private func change(_ command: Command, _ payload: [UInt8], with descriptors: [SharedDescriptor] = []) -> UInt32? {
        guard let reply = try? connection.request(command, payload, with: descriptors, within: Self.changeTime) else {
            return Self.inputOutputError
        }
        return reply.error
    }

    private static let inputOutputError: UInt32 = 5

    /// Has the device signal these eventfds from now on, by vector, and no others of their kind.
    ///
    /// - Parameter resample: The eventfd that says that the guest has handled the interrupt line.
    public func setInterrupts(
        _ kind: DeviceRecord.InterruptKind, _ events: [SharedDescriptor?], resample: SharedDescriptor?
    ) {
        let before = attached.withLock { $0.updateValue(events, forKey: kind) ?? [] }
        if kind == .intx { connection.setResample(resample) }
        func set(_ content: InterruptChange.Content, _ start: Int, _ count: Int, _ events: [SharedDescriptor]) {
            let change = InterruptChange(.trigger, content, kind, start: UInt32(start), count: UInt32(count))
            _ = try? connection.request(.setInterrupts, change.bytes, with: events, within: nil)
        }
        guard !events.allSatisfy({ $0 == nil }) else {
            return before.allSatisfy { $0 == nil } ? () : set(.none, 0, 0, [])
        }
        var run: [SharedDescriptor] = []
        let most = min(version.maximumDescriptors, Version.descriptorCount)
        for vector in 0...events.count {
            let event = vector < events.count ? events[vector] : nil
            let isNew = event != nil && (vector >= before.count || before[vector] !== event)
            if !run.isEmpty, !isNew || run.count == most {
                set(.eventfds, vector - run.count, run.count, run)
                run = []
            }
            if isNew, let event { run.append(event) }
        }
    }

    /// Resets the device if it can be. A device that takes longer than a second is lost.
    public func reset() {
        if record.canReset { _ = change(.reset, []) }
    }
}
