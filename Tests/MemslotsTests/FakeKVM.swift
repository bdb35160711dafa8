@testable import Memslots

/// KVM and the host windows, played: it keeps slots by its own naive rules, knows what lies at each page of the windows,
/// counts and records what it is asked, and fails the calls that a test chose.
///
/// It is a value, so that a test can try something on a copy.
struct FakeKVM: SlotInstaller {
    enum Call: Hashable {
        case set(SlotRequest)
        case place(WindowPiece)
        case clear(WindowPiece)
        case takeDirtyLog(SlotID)
        case event(IOEvent, isTaken: Bool)
    }

    /// A page of a backing, by the page's number in there.
    struct HostPage: Hashable {
        var backing: Int
        var page: UInt64
    }

    private(set) var kvm: NaiveKVM
    /// By slot: the pages in it that were written since its log was taken; only slots that log have one.
    private(set) var dirtyLogs: [SlotID: Set<UInt64>] = [:]
    /// By host page number: what the windows hold.
    private(set) var windowPages: [UInt64: HostPage] = [:]
    /// The writes that are taken.
    private(set) var events: Set<IOEvent> = []
    private let placement: Placement

    private(set) var calls: [Call] = []
    private(set) var parks = 0
    private(set) var resumes = 0
    /// What a caller must not do: edits while vCPUs run, requests that KVM refuses, pieces that lie over each other.
    private(set) var complaints: [String] = []
    /// By the number of the call, from the next one on: the errno with which it fails.
    var failures: [Int: SlotErrno] = [:]

    init(limits: SlotLimits, placement: Placement) {
        kvm = NaiveKVM(limits: limits)
        self.placement = placement
    }

    /// Forgets calls, so that they are counted from 0 again; what is held stays.
    mutating func startCounting(failing failures: [Int: SlotErrno] = [:]) {
        calls = []
        parks = 0
        resumes = 0
        complaints = []
        self.failures = failures
    }

    // MARK: What is asked of it

    mutating func park() {
        if parks > resumes { complaints.append("parked twice") }
        parks += 1
    }

    mutating func resume() {
        resumes += 1
        if parks != resumes { complaints.append("resumed without park") }
    }

    mutating func set(_ request: SlotRequest) throws(SlotErrno) {
        try begin(.set(request))
        let id = SlotID(truncatingIfNeeded: request.slot)
        let old = kvm.slots[id]
        do throws(NaiveKVM.Refusal) {
            try kvm.set(request)
        } catch {
            complaints.append("\(request) breaks \(error.rule), in the way: \(error.other?.description ?? "nothing")")
            throw error.rule.errno
        }
        if kvm.slots[id] == old { complaints.append("\(request) changes nothing") }
        // A log lives while the slot does and logs; a move keeps it.
        let logs = kvm.slots[id]?.flags.contains(.logDirtyPages) ?? false
        dirtyLogs[id] = logs ? dirtyLogs[id] ?? [] : nil
    }

    mutating func place(_ piece: WindowPiece) throws(SlotErrno) {
        try begin(.place(piece))
        for (page, held) in pages(of: piece) {
            if windowPages[page] != nil { complaints.append("\(piece) is placed over another piece") }
            windowPages[page] = held
        }
    }

    mutating func clear(_ piece: WindowPiece) throws(SlotErrno) {
        try begin(.clear(piece))
        for (page, held) in pages(of: piece) {
            if windowPages[page] != held { complaints.append("\(piece) is cleared and was not there") }
            windowPages[page] = nil
        }
    }

    mutating func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64] {
        let call = calls.count
        calls.append(.takeDirtyLog(slot.id))
        if let errno = failures[call] { throw errno }
        if kvm.slots[slot.id] != slot { complaints.append("the log of \(slot) is asked for") }
        guard let log = dirtyLogs[slot.id] else { throw .invalidArgument }
        dirtyLogs[slot.id] = []
        var words = [UInt64](repeating: 0, count: Int(slot.pages + 63) / 64)
        for page in log { words[Int(page / 64)] |= 1 << (page % 64) }
        return words
    }

    mutating func setEvent(_ event: IOEvent, isTaken: Bool) throws(SlotErrno) {
        try begin(.event(event, isTaken: isTaken))
        if events.contains(event) == isTaken { complaints.append("\(event): it is so already") }
        if isTaken { events.insert(event) } else { events.remove(event) }
    }

    private mutating func begin(_ call: Call) throws(SlotErrno) {
        let number = calls.count
        calls.append(call)
        if parks != resumes + 1 { complaints.append("\(call) while vCPUs run") }
        if let errno = failures[number] { throw errno }
    }

    private func pages(of piece: WindowPiece) -> [(page: UInt64, held: HostPage)] {
        (0..<piece.size / 4096).map {
            (piece.host / 4096 + $0, HostPage(backing: piece.backing.id, page: piece.backing.offset / 4096 + $0))
        }
    }

    // MARK: What the guest sees

    /// What a guest page shows, as slots and host windows have it; nil exits to the monitor.
    func translate(frame: UInt64) -> (page: HostPage, access: Access)? {
        guard let slot = kvm.slot(at: GuestAddress(frame << Page.shift)) else { return nil }
        let access: Access = slot.flags.contains(.readOnly) ? .readOnly : .readWrite
        let host = slot.host / 4096 + (frame - slot.range.first.frame)
        if let window = placement.windows.first(where: { $0.hostPages.contains(host) }) {
            // What a window does not hold is reserved address space: KVM_RUN would fail with EFAULT.
            return windowPages[host].map { ($0, access) } ?? (HostPage(backing: -1, page: window.host), access)
        }
        guard let backing = placement.backings.lastIndex(where: { $0 / 4096 <= host }) else { return nil }
        return (HostPage(backing: backing, page: host - placement.backings[backing] / 4096), access)
    }

    /// The guest writes a page, if it can do so without an exit.
    mutating func write(frame: UInt64) {
        guard let slot = kvm.slot(at: GuestAddress(frame << Page.shift)), !slot.flags.contains(.readOnly) else {
            return
        }
        dirtyLogs[slot.id]?.insert(frame - slot.range.first.frame)
    }
}

extension HostWindow {
    /// Numbers of the host pages that the window reserves.
    var hostPages: Range<UInt64> {
        host / 4096..<host / 4096 + aperture.pages
    }
}
