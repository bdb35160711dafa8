internal import Board
internal import Host
internal import KVM
internal import Machine
internal import Memslots

/// A machine in which prices are measured. It has one-page slots, and vCPUs that do work of their own.
final class PricedMachine {
    /// A function that does something once and returns the time that it took.
    typealias Step = () throws(MachineError) -> Duration

    /// An operation and its undoing, both by Swiftlet and by the system calls alone.
    struct Pair {
        var there: Step
        var back: Step?
        /// The system calls that `there` and `back` make, without the rest of Swiftlet's work. Nil if `there` and `back` are
        /// only system calls.
        var systemCalls: (there: Step, back: Step?)?
        /// Removes what the operation needed.
        var finish: () throws(MachineError) -> Void = {}
    }

    private let activity: VCPUActivity?
    let machine: GuestMachine
    private let watched: WatchedPlaces
    private let running: RunningMachine?
    /// The memory of the measured slot, and the memory that replaces it.
    let backings: [Backing]
    private let walked: Backing

    /// The size of the largest measured slot, and that of the pages that vCPUs fault in, in bytes.
    private static let (largest, walkedBytes): (UInt64, UInt64) = (1 << 30, 16 << 20)
    /// The guest-physical addresses of the measured slot, of its place after a move, of a batch, and of the other slots. All of
    /// them are narrow enough for every host's processor.
    static let (home, away, batch, others): (UInt64, UInt64, UInt64, UInt64) = (8 << 30, 10 << 30, 12 << 30, 16 << 30)
    /// A guest-physical address where nothing is mapped, for an ioeventfd.
    static let doorbell: UInt64 = 0xd000_0000

    /// Makes the machine for a cell, and waits until its vCPUs have begun their work.
    init(for cell: PriceCell, mayExhaustHost: Bool) throws(MachineError) {
        if !mayExhaustHost {
            try Footprint.checkHostMemory { mmu in
                UInt64(cell.slots + 64) * Footprint.kernelBytes(pages: 1, mmu: mmu)
                    + Footprint.kernelBytes(pages: Self.largest / Page.size, mmu: mmu)
            }
        }
        var (image, configuration) = try WatchedPlaces.configuration(
            vcpus: max(1, cell.vcpus), mayExhaustHost: mayExhaustHost)
        configuration.interruptController = .kernel
        let pages = UInt64(cell.slots) * Page.size
        configuration.spareMemory = pages + 2 * Self.largest + Self.walkedBytes
        let machine = try GuestMachine(configuration, flat: image)
        let (memory, walked) = (try machine.allocate(pages), try machine.allocate(Self.walkedBytes))
        backings = [try machine.allocate(Self.largest), try machine.allocate(Self.largest)]
        try machine.changeMemory(
            adding: (0..<cell.slots).map { number in
                let backing = Backing(id: memory.id, offset: memory.offset + UInt64(number) * Page.size)
                return Self.mapping(backing, at: Self.others + UInt64(number) << 13)
            })
        let watched = WatchedPlaces(machine, vcpus: max(1, cell.vcpus))
        switch cell.activity {
        case .halt: watched.halt()
        case .fault:
            let mapping = Self.mapping(
                walked, at: AddressMap.standard.apertures.low.first.rawValue, size: Self.walkedBytes)
            try machine.changeMemory(adding: [mapping])
            watched.walk(mapping.range)
        case .spin, nil: break
        }
        (activity, self.machine, self.watched, self.walked) = (cell.activity, machine, watched, walked)
        running = cell.vcpus > 0 ? try machine.start() : nil
        guard running != nil else { return }
        let deadline = SuspendingClock.now + .seconds(10)
        while watched.findings.slowestChecks == 0 {
            guard SuspendingClock.now < deadline else {
                try end()
                throw .experiment("a vCPU did not begin its work in 10 s")
            }
            HostThread.sleep(for: .milliseconds(1))
        }
    }

    /// Ends the guest.
    func end() throws(MachineError) {
        machine.stop()
        _ = try running?.report(within: .seconds(10))
    }

    /// Throws if the guest has ended by itself, because then nothing ran beside the measurement.
    func checkGuest() throws(MachineError) {
        if let running, running.hasEnded { throw .experiment("the guest ended by itself") }
    }

    /// The work that the vCPUs together have done so far. Nil if they do none.
    var progress: UInt64? {
        running == nil || activity == .halt ? nil : watched.findings.checks
    }

    /// Gives the host the pages back that the vCPUs have faulted in, so that they fault them in again.
    func forgetWalkedPages() {
        if activity == .fault { machine.discard(walked, size: Self.walkedBytes) }
    }

    // MARK: Steps

    static func mapping(
        _ backing: Backing, at address: UInt64, size: UInt64 = Page.size, access: Access = .readWrite
    ) -> Mapping {
        guard let range = GuestRange(first: GuestAddress(address), size: size) else {
            preconditionFailure("\(hexadecimal(address)) begins no \(size) bytes")
        }
        return Mapping(range: range, backing: backing, access: access, owner: .other(0))
    }

    /// Returns a step that makes a transaction. The vCPUs stay in the guest unless `parked` is true.
    func change(_ removed: [Mapping], _ added: [Mapping], parked: Bool = false) -> Step {
        let (machine, ranges) = (machine, removed.map(\.range))
        return { () throws(MachineError) in
            try measure { () throws(MachineError) in
                try machine.changeMemory(removing: ranges, adding: added, parked: parked)
            }
        }
    }

    /// Returns a step that makes only calls of the virtual machine.
    func calls(_ body: @escaping (OwnedVM) throws(MachineError) -> Void) -> Step {
        let owned = machine.virtualMachine
        return { () throws(MachineError) in try measure { () throws(MachineError) in try body(owned) } }
    }

    /// Returns a step that makes only the system calls that change slots.
    func requests(_ requests: [SlotRequest]) -> Step {
        calls { owned throws(MachineError) in
            for request in requests {
                let errno = owned.vm.setMemoryRegion(
                    slot: request.slot, flags: request.flags, guestAddress: request.guestAddress, size: request.size,
                    hostAddress: request.hostAddress)
                try Self.check(errno, "KVM_SET_USER_MEMORY_REGION", "\(request)")
            }
        }
    }

    static func check(_ errno: Int32, _ request: String, _ subject: String) throws(MachineError) {
        guard errno != 0 else { return }
        throw .kvmRequest(request, subject, errno: errno)
    }

    /// Returns the requests that create the slots of these mappings as Swiftlet creates them, and the requests that delete
    /// these slots.
    func requests(for mappings: [Mapping]) throws(MachineError) -> (hold: [SlotRequest], delete: [SlotRequest]) {
        _ = try change([], mappings)()
        let table = machine.slots
        let slots = mappings.compactMap { table.slots(in: $0.range).first { _ in true } }
        _ = try change(mappings, [])()
        return (slots.map(SlotRequest.init(holding:)), slots.map(SlotRequest.init(deleting:)))
    }
}
