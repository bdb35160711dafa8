package import Host
package import KVM
package import Memslots
internal import SystemPackage

/// The virtual machine that a machine owns. The code that changes slots, sends interrupts or owns devices borrows it.
package final class OwnedVM: Sendable {
    /// The virtual machine.
    package let vm: VirtualMachine

    /// The routes of all messages that devices send by eventfds.
    let routes = Lock(InterruptRoutes())
    /// The number of functions that assert each interrupt line. The numbers of messages begin behind those of the lines.
    let lineCounts = Lock([Int](repeating: 0, count: Int(InterruptRoutes.numbers.lowerBound)))
    /// Lets tests refuse a call in KVM's place. It is nil everywhere else.
    let refusal = Lock<CallRefusal?>(nil)

    /// Takes over a virtual machine.
    package init(_ vm: consuming VirtualMachine) {
        self.vm = vm
    }

    /// Throws if a test refuses a call.
    func ask(_ call: RefusableCall) throws(SlotErrno) {
        if let errno = refusal.withLock({ $0 })?.errno(call) { throw errno }
    }
}

/// A call to KVM or to the host that a test can have refused in its place.
enum RefusableCall {
    case slot, window, event, interrupt
}

/// A test's answer to a call: the errno with which it is refused, or nil.
struct CallRefusal: Sendable {
    let errno: @Sendable (RefusableCall) -> SlotErrno?
}

/// The installer that puts slots and events into KVM, and window pieces into windows.
package struct KVMSlotInstaller: SlotInstaller, ~Copyable {
    private let owned: OwnedVM
    /// The host memory behind the slots.
    package var store: BackingStore
    /// The windows. There are none if slots are not coalesced.
    package let windows: HostWindows
    /// The vCPUs that must be out of the guest while slots change, once they run.
    var vcpus: [VCPU] = []
    let parking = Parking()
    /// Whether the vCPUs are parked at all.
    var parksVCPUs = true
    /// The counters of the events that KVM takes, and of those that it took before the present transaction.
    private(set) var events: [IOEvent: SharedDescriptor] = [:]
    /// The eventfds that the machine was given, by their numbers in `IOEvent.descriptor`.
    private(set) var givenEvents: [Int: SharedDescriptor] = [:]

    /// Creates an installer for a machine whose vCPUs, if it has any, are outside the guest whenever slots change.
    package init(vm: OwnedVM, store: consuming BackingStore, windows: HostWindows) {
        owned = vm
        self.store = store
        self.windows = windows
    }

    package func park() {
        if parksVCPUs { parking.park(vcpus) }
    }

    package func resume() {
        if parksVCPUs { parking.resume() }
    }

    package func set(_ request: SlotRequest) throws(SlotErrno) {
        try owned.ask(.slot)
        try Self.check(
            owned.vm.setMemoryRegion(
                slot: request.slot, flags: request.flags, guestAddress: request.guestAddress, size: request.size,
                hostAddress: request.hostAddress))
    }

    package func place(_ piece: WindowPiece) throws(SlotErrno) {
        try owned.ask(.window)
        do { try windows.place(piece, of: store) } catch { throw SlotErrno(rawValue: error.errno.rawValue) }
    }

    package func clear(_ piece: WindowPiece) throws(SlotErrno) {
        try owned.ask(.window)
        do { try windows.clear(piece) } catch { throw SlotErrno(rawValue: error.errno.rawValue) }
    }

    package func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64] {
        var bitmap: [UInt64] = []
        try Self.check(owned.vm.getDirtyLog(slot: UInt32(slot.id), pages: Int(slot.pages), into: &bitmap))
        return bitmap
    }

    package mutating func setEvent(_ event: IOEvent, isTaken: Bool) throws(SlotErrno) {
        try owned.ask(.event)
        if let number = event.descriptor {
            guard let descriptor = givenEvents[number] else {
                throw SlotErrno(rawValue: Errno.badFileDescriptor.rawValue)
            }
            return try Self.check(owned.setIOEvent(event, descriptor: descriptor, isTaken: isTaken))
        }
        let counter: SharedDescriptor
        if let known = events[event] {
            counter = known
        } else {
            do { counter = try SharedDescriptor(eventFor: "writes") } catch {
                throw SlotErrno(rawValue: error.errno.rawValue)
            }
        }
        try Self.check(owned.setIOEvent(event, descriptor: counter, isTaken: isTaken))
        // A counter stays until the end of the transaction, because the transaction may set its event again.
        events[event] = counter
    }

    /// Adds an eventfd of a device's. Returns its number, the lowest free one.
    mutating func add(_ event: SharedDescriptor) -> Int {
        let number = (0...).first { givenEvents[$0] == nil } ?? 0
        givenEvents[number] = event
        return number
    }

    /// Removes an eventfd that KVM signals no more.
    mutating func removeEvent(_ number: Int) { givenEvents[number] = nil }

    /// Removes the counters of all events but these.
    mutating func keepEvents(_ taken: Set<IOEvent>) {
        events = events.filter { taken.contains($0.key) }
    }

    private static func check(_ errno: Int32) throws(SlotErrno) {
        guard errno == 0 else { throw SlotErrno(rawValue: errno) }
    }
}

/// The windows of a machine: reserved host address space for each guest aperture, so that neighbours in the guest can be
/// neighbours in the host.
package struct HostWindows: Sendable {
    /// The apertures with the host addresses that mirror them, for the placement of mappings.
    package let windows: [HostWindow]
    private let reservations: [AddressReservation]

    /// Reserves windows for apertures. Without any, nothing is coalesced.
    package init(_ apertures: [GuestRange] = []) throws(HostError) {
        var reservations: [AddressReservation] = []
        // A page more than the aperture has is reserved, so that no piece of one window is the neighbour of a piece in another.
        for aperture in apertures { reservations.append(try AddressReservation(size: aperture.size + Page.size)) }
        self.reservations = reservations
        windows = zip(apertures, reservations).map { HostWindow(aperture: $0, host: $1.address) }
    }

    func place(_ piece: WindowPiece, of store: borrowing BackingStore) throws(HostError) {
        for reservation in reservations {
            guard let offset = reservation.offset(of: piece.host) else { continue }
            return try store.map(piece.backing, size: piece.size, into: reservation, at: offset)
        }
    }

    func clear(_ piece: WindowPiece) throws(HostError) {
        for reservation in reservations {
            guard let offset = reservation.offset(of: piece.host) else { continue }
            return try reservation.unmap(size: piece.size, at: offset)
        }
    }
}
