@testable import Debugging

/// A target of three threads whose registers and memory are arrays.
final class FakeTarget: DebugTarget {
    static let base: UInt64 = 0x1000
    let threadCount = 3
    var canWatch = true
    var canBreak = true
    var files: [[UInt8]] = (0..<3).map { thread in
        (0..<RegisterLayout.size).map { UInt8(truncatingIfNeeded: $0 + thread) }
    }
    var memory: [UInt8] = (0..<0x1000).map { UInt8(truncatingIfNeeded: $0) }
    /// What was asked, in order.
    var log: [String] = []
    var actions: [Int: ThreadAction] = [:]
    var plan = StopPlan()

    func summary(of thread: Int) -> String { "vCPU \(thread)" }
    func registers(of thread: Int) -> [UInt8]? { files[thread] }

    func setRegisters(_ bytes: [UInt8], of thread: Int) -> Bool {
        guard bytes.count == RegisterLayout.size else { return false }
        files[thread] = bytes
        return true
    }

    func read(count: Int, at address: UInt64, on thread: Int) -> [UInt8] {
        guard address >= Self.base, address - Self.base < UInt64(memory.count) else { return [] }
        return Array(memory.dropFirst(Int(address - Self.base)).prefix(count))
    }

    func write(_ bytes: [UInt8], at address: UInt64, on thread: Int) -> Bool {
        guard read(count: bytes.count, at: address, on: thread).count == bytes.count else { return false }
        let start = Int(address - Self.base)
        memory.replaceSubrange(start..<start + bytes.count, with: bytes)
        return true
    }

    func resume(_ actions: [Int: ThreadAction], plan: StopPlan) {
        log.append("resume")
        (self.actions, self.plan) = (actions, plan)
    }

    func pause() { log.append("pause") }
    func kill() { log.append("kill") }
    func release() { log.append("release") }
    func answer(to command: String) -> String? { command == "slots" ? "seven\n" : nil }
    var commands: String { "slots" }
}

/// A session over a fake target, and a client's side of it.
struct Client {
    let target = FakeTarget()
    var session: DebugSession<FakeTarget>

    init() {
        session = DebugSession(target: target)
    }

    /// Sends a packet. Returns what comes back, packets only.
    mutating func send(_ text: String) -> [String] {
        send(Array(text.utf8))
    }

    mutating func send(_ data: [UInt8]) -> [String] {
        Self.packets(session.receive(Packet.encoded(data)))
    }

    static func packets(_ bytes: [UInt8]) -> [String] {
        var reader = PacketReader()
        return reader.receive(bytes).compactMap { input in
            if case .packet(let data) = input { String(decoding: data, as: UTF8.self) } else { nil }
        }
    }
}
