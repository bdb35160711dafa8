internal import Devices
internal import Host
internal import KVM
internal import Synchronization
internal import SystemPackage

/// The trace of a run. It has a line for each exit: the microseconds since the first vCPU entered the guest, the vCPU, the
/// exit, and the instruction pointer that KVM gives then. For a write the pointer may lie behind the instruction.
///
/// Each vCPU has a buffer for its lines. If a buffer has many lines, the thread of its vCPU writes the lines of all vCPUs, in
/// the order of their times.
final class Tracer: Sendable {
    private struct Line: Sendable {
        /// Nanoseconds since the first vCPU entered the guest.
        let time: Int64
        let text: String
    }

    private struct Buffer: Sendable {
        var lines: [Line] = []
        var unclaimed = UnclaimedAccesses()
    }

    private let descriptor: Int32
    /// The buffers, by vCPU.
    private let buffers: [BufferCell]
    private let isWriting = Lock(false)
    /// The bytes that were left when the end of the run broke a write off. The last write begins with them.
    private let rest = Lock<[UInt8]>([])
    /// The bytes that may still be written, or nil without a limit.
    private let room: Lock<UInt64?>
    private let isFull = Atomic(false)
    /// The reason why lines were lost.
    private let failure = Lock<Errno?>(nil)

    /// The reason why lines could not be written, a full disk for example, or nil if none was lost.
    var lossOfLines: Errno? { failure.withLock { $0 } }

    /// Notes why lines are lost.
    func giveUp(_ reason: Errno) {
        failure.withLock { $0 = $0 ?? reason }
    }

    private final class BufferCell: Sendable {
        let buffer = Lock(Buffer())
    }

    /// The number of lines of a vCPU from which on its thread writes.
    private static let writeThreshold = 512
    /// The number of lines of a vCPU from which on its thread waits for a slow reader.
    private static let waitThreshold = 1 << 14

    /// Creates a trace that is written to a descriptor.
    ///
    /// - Parameter limit: The size in bytes after which the trace ends with a line that says so.
    init(descriptor: Int32, vcpus: Int, limit: UInt64?) {
        self.descriptor = descriptor
        room = Lock(limit)
        buffers = (0..<vcpus).map { _ in BufferCell() }
    }

    /// Adds a line of a vCPU with the present time. If there are many lines, writes them.
    func record(_ text: String, vcpu: UInt32, since start: SuspendingClock.Instant, isCancelled: () -> Bool) {
        guard !isFull.load(ordering: .relaxed) else { return }
        var count = buffers[Int(vcpu)].buffer.withLock { buffer in
            // The time is taken under the lock, so a thread that takes the lines up to a time gets all of them.
            let time = (SuspendingClock.now - start).nanoseconds
            buffer.lines.append(Line(time: time, text: text))
            return buffer.lines.count
        }
        while count >= Self.writeThreshold, !isCancelled() {
            if write(since: start, isCancelled: isCancelled) || count < Self.waitThreshold { return }
            HostThread.sleep(for: .milliseconds(1))
            count = buffers[Int(vcpu)].buffer.withLock { $0.lines.count }
        }
    }

    /// Returns the line of an exit that has been handled.
    func text(of exit: Exit, _ cpu: borrowing VirtualCPU) -> String {
        // The data of a write are still in the exit's buffer, and those of a read have just been put there.
        guard case .port(let access) = exit else { return "\(exit)" }
        return "\(exit)" + (access.isOutput ? " <- " : " -> ") + "0x" + String(cpu.portUnit(at: 0), radix: 16)
    }

    /// Returns the line of an access that nobody has answered, or nil if the vCPU has made the same access before.
    func text(of access: UnclaimedAccess, _ kind: String, vcpu: UInt32) -> String? {
        let isNew = buffers[Int(vcpu)].buffer.withLock { $0.unclaimed.note(access) }
        guard isNew else { return nil }
        let bytes = access.width.rawValue
        return "unclaimed \(kind) 0x\(String(access.address, radix: 16)), \(access.isWrite ? "write" : "read") of "
            + "\(bytes) byte\(bytes == 1 ? "" : "s")"
    }

    /// Returns those lines for which there is room. Behind them comes the last line of the trace if it reaches its limit.
    private func takeRoom(for lines: [String]) -> String {
        guard !isFull.load(ordering: .relaxed) else { return "" }
        return room.withLock { room in
            guard let limit = room else { return lines.joined() }
            var (left, text) = (limit, "")
            for line in lines {
                guard line.utf8.count <= left else {
                    isFull.store(true, ordering: .relaxed)
                    return text + "the trace ends here, at its limit\n"
                }
                left -= UInt64(line.utf8.count)
                text += line
            }
            room = left
            return text
        }
    }

    /// Writes the lines up to now. Returns false and writes nothing if another thread is writing.
    @discardableResult
    func write(since start: SuspendingClock.Instant, isCancelled: () -> Bool = { false }) -> Bool {
        let isMine = isWriting.withLock { isWriting in
            defer { isWriting = true }
            return !isWriting
        }
        guard isMine else { return false }
        defer { isWriting.withLock { $0 = false } }
        let now = (SuspendingClock.now - start).nanoseconds
        var lines: [(line: Line, vcpu: Int)] = []
        for (vcpu, cell) in buffers.enumerated() {
            cell.buffer.withLock { buffer in
                let count = buffer.lines.prefix { $0.time <= now }.count
                lines += buffer.lines[..<count].map { ($0, vcpu) }
                buffer.lines.removeFirst(count)
            }
        }
        lines.sort { ($0.line.time, $0.vcpu) < ($1.line.time, $1.vcpu) }
        let text = takeRoom(for: lines.map { "\($0.line.time / 1000) us vcpu\($0.vcpu) \($0.line.text)\n" })
        let bytes = rest.withLock { $0 } + Array(text.utf8)
        let (count, error) = FileBytes.write(bytes, to: descriptor, isCancelled: isCancelled)
        if let error { giveUp(error) }
        rest.withLock { $0 = error == nil ? Array(bytes[count...]) : [] }
        return true
    }
}
