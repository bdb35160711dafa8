import Foundation
public import Host
public import PCI
public import VFIOUser

/// A server of vfio-user that does what a test says: it serves one client, and makes a mistake at one message.
///
/// Region BAR 0 is registers. A write of 4 or 8 bytes at 0x00 signals the vector, at 0x08 reads 8 bytes of the client's memory at that address to 0x10,
/// and at 0x18 writes the 8 bytes at 0x10 to that address. Writes of 4 bytes at 0x40 have an eventfd. Everything else keeps what is written.
public final class ScriptedServer: Sendable {
    /// What the server does wrong.
    public enum Fault: CaseIterable, Sendable {
        case close, closeInHeader, closeInPayload, stallInPayload, silence
        case otherID, otherCommand, twice, command, unknownCommand
        case short, long, sizeTooSmall, sizeTooLarge, flags, error, errorZero
        case surplusDescriptors, noDescriptors, garbage, otherAnswer
    }

    /// What the server has seen and done.
    public struct State: Sendable {
        public var memory: [DeviceRecord.RegionNumber: [UInt8]] = [:]
        public var events: [DeviceRecord.InterruptKind: [UInt32: SharedDescriptor]] = [:]
        public var mapped: [DMAMapping] = []
        public var commands: [UInt16] = []
        public var resets = 0
        public var unmasks = 0
        /// What a read or a write of the client's memory was answered with.
        public var errors: [UInt32?] = []
        public var hasEnded = false
    }

    public let path: String
    /// The name of the file behind the areas, of which there is no other one.
    public let name: String
    public let record: DeviceRecord
    public let state = Lock(State())
    /// The file behind the areas of BAR 2.
    public let file: Lock<MemoryFile>
    public let doorbell: SharedDescriptor
    let shared: SharedDescriptor
    private let poke: SharedDescriptor
    private let fault: (at: Int, what: Fault)?
    private let delay: Duration
    let offered: [RegionEvents.Event]
    private let tasks = Lock<[Task]>([])
    private let stalled = Lock(false)

    private struct Task: Sendable { let run: @Sendable (ScriptedServer, borrowing Connection) throws -> Void }

    public static let areas: [Range<UInt64>] = [0x1000..<0x3000, 0x5000..<0x6000]
    public static let areaOffset: UInt64 = 0x10000

    /// Starts a server.
    ///
    /// - Parameters:
    ///   - fault: The message at which it errs, counted from 0, and what it does then.
    ///   - delay: The time before each answer.
    ///   - events: The writes to BAR 0 for which it offers eventfds: descriptor 0 is the doorbell, and 1 the file behind the areas.
    public init(
        record: DeviceRecord = .scripted, fault: (at: Int, what: Fault)? = nil, fileSize: UInt64 = areaOffset + 0x8000,
        delay: Duration = .zero, events: [RegionEvents.Event] = [.init(offset: 0x40, size: 4, descriptor: 0)]
    ) throws {
        name = "sv-\(UUID().uuidString.prefix(13))"
        path = FileManager.default.temporaryDirectory.path + "/" + name
        self.record = record
        self.fault = fault
        self.delay = delay
        offered = events
        var file = try MemoryFile(name: name)
        try file.resize(to: fileSize)
        shared = try SharedDescriptor(file)
        self.file = Lock(file)
        doorbell = try SharedDescriptor(eventFor: "a doorbell")
        poke = try SharedDescriptor(eventFor: "a test")
        state.withLock { state in
            for (number, region) in record.regions where number != .configuration && region.size <= 1 << 20 {
                state.memory[number] = [UInt8](repeating: 0, count: Int(region.size))
            }
            state.memory[.configuration] = record.configuration
        }
        let listener = Lock<ListeningSocket?>(try ListeningSocket(.local(path: path)))
        try HostThread(name: "scripted") { [self] in
            if let socket = listener.withLock({ $0.take() }) { serve(socket) }
            state.withLock { $0.hasEnded = true }
        }.detach()
    }

    // MARK: What a test asks

    /// Ends the server, as if it were killed.
    public func kill() {
        run { _, _ in throw Stop() }
    }

    /// Signals a vector.
    public func signal(_ kind: DeviceRecord.InterruptKind, _ vector: UInt32 = 0) {
        state.withLock { $0.events[kind]?[vector] }?.post()
    }

    /// Reads the client's memory by itself, to 0x10.
    public func readMemory(at address: UInt64) {
        run { server, client in try server.moveMemory(address, isWrite: false, client) }
    }

    private func run(_ task: @escaping @Sendable (ScriptedServer, borrowing Connection) throws -> Void) {
        tasks.withLock { $0.append(Task(run: task)) }
        poke.post()
    }

    // MARK: Messages

    private struct Stop: Error {}

    private func serve(_ listener: borrowing ListeningSocket) {
        var client: Connection?
        while client == nil {
            _ = SharedDescriptor.waitForFirst(of: [listener.descriptor])
            client = listener.accept()
        }
        guard let client else { return }
        do {
            while true {
                let ready = try client.wait(or: poke)
                if ready.isFirstReady {
                    _ = poke.take()
                    for task in tasks.withLock({ tasks in
                        defer { tasks = [] }
                        return tasks
                    }) {
                        try task.run(self, client)
                    }
                }
                if ready.hasInput { try handleMessage(client) }
            }
        } catch {}
    }

    private func handleMessage(_ client: borrowing Connection) throws {
        let (bytes, descriptors) = try client.receive(exactly: 16, mostDescriptors: 32, within: .seconds(30))
        let header = try Header(bytes)
        let payload = try client.receive(exactly: header.payloadSize, within: .seconds(30)).bytes
        guard !header.isReply else { throw Stop() }
        let number = state.withLock { state in
            state.commands.append(header.command)
            return state.commands.count - 1
        }
        HostThread.sleep(for: delay)
        var answer = try self.answer(header, payload, descriptors, client)
        if let fault, fault.at == number {
            try err(fault.what, header, &answer, client)
        } else {
            try send(answer, to: header, client)
        }
    }

    struct Answer {
        var payload: [UInt8] = []
        var descriptors: [SharedDescriptor] = []
        var errno: UInt32?
    }

    func send(_ answer: Answer, to header: Header, _ client: borrowing Connection) throws {
        let payload = answer.errno == nil ? answer.payload : []
        let reply = Header(replyTo: header, payload: payload.count, error: answer.errno)
        try client.send(reply.bytes + payload, with: answer.descriptors, within: .seconds(30))
    }

    /// Sends the answer with a mistake.
    private func err(_ fault: Fault, _ header: Header, _ answer: inout Answer, _ client: borrowing Connection) throws {
        var other = header
        var reply = Header(replyTo: header, payload: answer.payload.count).bytes
        func sendRaw(_ bytes: [UInt8]) throws { try client.send(bytes, with: answer.descriptors, within: .seconds(30)) }
        switch fault {
        case .close: throw Stop()
        case .closeInHeader:
            try sendRaw(Array(reply.prefix(9)))
            throw Stop()
        case .closeInPayload, .stallInPayload:
            reply[4] &+= 8
            try sendRaw(reply + answer.payload)
            if fault == .closeInPayload { throw Stop() }
        case .silence: break
        case .otherID:
            other.id &+= 1
            try send(answer, to: other, client)
        case .otherCommand:
            other.command = header.command == 9 ? 10 : 9
            try send(answer, to: other, client)
        case .twice:
            try send(answer, to: header, client)
            try send(answer, to: header, client)
        case .command: try sendRaw(Header(.reset, id: header.id, payload: 0).bytes)
        case .unknownCommand:
            var command = Header(.reset, id: 9, payload: 4).bytes
            command[2] = 77
            try sendRaw(command + [1, 2, 3, 4])
            _ = try client.receive(exactly: 16, within: .seconds(30))
            try send(answer, to: header, client)
        case .short:
            answer.payload.removeLast(min(answer.payload.count, 5))
            try send(answer, to: header, client)
        case .long:
            answer.payload += [UInt8](repeating: 0xcc, count: 100)
            try send(answer, to: header, client)
        case .sizeTooSmall, .sizeTooLarge:
            reply.replaceSubrange(4..<8, with: fault == .sizeTooSmall ? [15, 0, 0, 0] : [0, 0, 0, 0xf0])
            try sendRaw(reply + answer.payload)
        case .flags:
            reply[8] = 7
            try sendRaw(reply + answer.payload)
        case .error, .errorZero: try send(Answer(errno: fault == .error ? 5 : 0), to: header, client)
        case .surplusDescriptors:
            answer.descriptors += (0..<20).map { _ in shared }
            try send(answer, to: header, client)
        case .noDescriptors:
            answer.descriptors = []
            try send(answer, to: header, client)
        case .garbage: try sendRaw((0..<64).map { UInt8(truncatingIfNeeded: $0 &* 37 ^ 0x5a) })
        case .otherAnswer:
            answer.payload = answer.payload.map { ~$0 }
            try send(answer, to: header, client)
        }
    }
}
