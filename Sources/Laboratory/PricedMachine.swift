internal import Board
internal import Host
internal import KVM
internal import Machine
internal import Memslots
internal import SystemPackage

/// A machine in which prices are measured: slots of a page, and vCPUs that do work of their own.
final class PricedMachine {
    /// Does something once and tells how long it took.
    typealias Step = () throws(MachineError) -> Duration

    /// An operation and the one that undoes it, both by Swiftlet and by the system calls alone.
    struct Pair {
        var there: Step
        var back: Step?
        /// The system calls that `there` and `back` make, without anything else of Swiftlet's; nil where these are nothing else.
        var plain: (there: Step, back: Step?)?
        /// Takes away what the operation needed.
        var finish: () throws(MachineError) -> Void = {}
    }

    private let setup: PriceSetup
    let machine: GuestMachine
    private let watched: WatchedPlaces
    private let running: RunningMachine?
    /// The memory of the measured slot, and the memory that replaces it.
    let backings: [Backing]
    private let walked: Backing

    /// The largest measured slot, and the pages that vCPUs fault in, in bytes.
    private static let (largest, walkedBytes): (UInt64, UInt64) = (1 << 30, 16 << 20)
    /// Where the measured slot lies, where it is moved, a batch, and the other slots. On each no host's processor is too narrow.
    static let (home, away, batch, others): (UInt64, UInt64, UInt64, UInt64) = (8 << 30, 10 << 30, 12 << 30, 16 << 30)
    /// Where nothing is mapped, for an ioeventfd.
    static let doorbell: UInt64 = 0xd000_0000

    /// Makes the machine, and lets its vCPUs begin their work.
    init(_ setup: PriceSetup, mayExhaustHost: Bool) throws(MachineError) {
        if !mayExhaustHost {
            try Footprint.checkHostMemory { mmu in
                UInt64(setup.slots + 64) * Footprint.kernelBytes(pages: 1, mmu: mmu)
                    + Footprint.kernelBytes(pages: Self.largest / Page.size, mmu: mmu)
            }
        }
        var (image, configuration) = WatchedPlaces.configuration(vcpus: max(1, setup.vcpus))
        configuration.interruptController = .kernel
        let pages = UInt64(setup.slots) * Page.size
        configuration.spareMemory = pages + 2 * Self.largest + Self.walkedBytes
        configuration.mayExhaustHost = mayExhaustHost
        let machine = try GuestMachine(configuration, flat: image)
        let (memory, walked) = (try machine.allocate(pages), try machine.allocate(Self.walkedBytes))
        backings = [try machine.allocate(Self.largest), try machine.allocate(Self.largest)]
        try machine.changeMemory(
            adding: (0..<setup.slots).map { number in
                let backing = Backing(id: memory.id, offset: memory.offset + UInt64(number) * Page.size)
                return Self.mapping(backing, at: Self.others + UInt64(number) << 13)
            })
        let watched = WatchedPlaces(machine, vcpus: max(1, setup.vcpus))
        switch setup.activity {
        case .halt: watched.halt()
        case .fault:
            let mapping = Self.mapping(
                walked, at: AddressMap.standard.apertures.low.first.rawValue, size: Self.walkedBytes)
            try machine.changeMemory(adding: [mapping])
            watched.walk(mapping.range)
        case .spin, nil: break
        }
        (self.setup, self.machine, self.watched, self.walked) = (setup, machine, watched, walked)
        running = setup.vcpus > 0 ? try machine.start() : nil
        guard running != nil else { return }
        let deadline = SuspendingClock.now + .seconds(10)
        while watched.slowestChecks == 0 {
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

    /// Throws if the guest has ended by itself, so that nothing was measured beside it.
    func checkGuest() throws(MachineError) {
        if let running, running.hasEnded { throw .experiment("the guest ended by itself") }
    }

    /// What the vCPUs together have done so far; nil where they do nothing.
    var progress: UInt64? {
        running == nil || setup.activity == .halt ? nil : watched.findings.checks
    }

    /// Waits until all vCPUs are in the guest: those that are still out would make no change wait.
    func awaitEntry() { machine.awaitEntry() }

    /// Gives the pages back that the vCPUs have faulted in, so that they fault them in again.
    func forgetWalkedPages() {
        if setup.activity == .fault { machine.discard(walked, size: Self.walkedBytes) }
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

    /// A transaction, which leaves the vCPUs in the guest unless told otherwise.
    func change(_ removed: [Mapping], _ added: [Mapping], parked: Bool = false) -> Step {
        let (machine, ranges) = (machine, removed.map(\.range))
        return { () throws(MachineError) in
            try measure { () throws(MachineError) in
                try machine.changeMemory(removing: ranges, adding: added, parked: parked)
            }
        }
    }

    /// Calls of the virtual machine by themselves.
    func calls(_ body: @escaping (OwnedVM) throws(MachineError) -> Void) -> Step {
        let owned = machine.virtualMachine
        return { () throws(MachineError) in try measure { () throws(MachineError) in try body(owned) } }
    }

    /// The system calls alone that change slots.
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
        throw .kvm(KVMError(request: request, subject: subject, errno: Errno(rawValue: errno)))
    }

    /// The requests that hold mappings as KVM holds them once they are mapped, and those that delete them again.
    func requests(for mappings: [Mapping]) throws(MachineError) -> (hold: [SlotRequest], delete: [SlotRequest]) {
        _ = try change([], mappings)()
        let table = machine.slots
        let slots = mappings.compactMap { table.slots(in: $0.range).first { _ in true } }
        _ = try change(mappings, [])()
        return (slots.map(SlotRequest.init(holding:)), slots.map(SlotRequest.init(deleting:)))
    }
}
