import Floor
import KVM
import Memslots

extension Bench {
    /// Compares 2048 one-page BARs side by side below 4 GiB: with a slot each, and with one slot for all.
    mutating func coalesced() throws {
        results.begin(name, "2048 one-page BARs side by side, as a slot each and as one slot")
        let count = 2048
        let size = UInt64(count) * Page.size
        let installers = try SlotPolicy.allCases.map { try TimedInstaller(size: size, policy: $0) }
        let separate = installers[0]
        let together = installers[1]
        precondition(separate.policy == .separate && together.policy == .coalesced)
        var floor = FloorMachine(code: [0xf4], spareMemory: size)
        let first = lowAperture.first.rawValue
        let slots = (0..<UInt64(count)).map { number in
            floor_slot(
                id: UInt32(number + 1), flags: 0, guest: first + number * Page.size, size: Page.size,
                offset: number * Page.size)
        }
        let whole = [floor_slot(id: 1, flags: 0, guest: first, size: size, offset: 0)]

        compare(
            [
                Phase(name: "create, time in slot ioctls", operations: 1, target: 0.01),
                Phase(name: "create, in all (2048 mmap in windows)", operations: 1),
                Phase(name: "delete, time in slot ioctls", operations: 1, target: 0.01),
                Phase(name: "delete, in all", operations: 1),
            ], with: "separate", rounds: rounds(30), baseline: { separate.createAndDelete() },
            swiftlet: { together.createAndDelete() })
        for installer in installers {
            results.add(
                Figure(
                    name, "\(installer.policy.rawValue)",
                    ["slots": Double(installer.slotCount), "ioctls to create them": Double(installer.calls)]))
        }

        compare(
            [
                Phase(name: "one slot, time in slot ioctls", operations: 1),
                Phase(name: "one slot, deleted, likewise", operations: 1),
            ], with: "C, one slot", rounds: rounds(30),
            baseline: { [elapsed { floor.set(whole) }, elapsed { floor.delete(whole) }] },
            swiftlet: {
                let times = together.createAndDelete()
                return [times[0], times[2]]
            })
        floor = FloorMachine(code: [0xf4], spareMemory: size)
        compare(
            [
                Phase(name: "2048 slots, in all", operations: 1, target: 1.05),
                Phase(name: "2048 slots, deleted, in all", operations: 1, target: 1.05),
            ], with: "C, 2048", rounds: rounds(30),
            baseline: { [elapsed { floor.set(slots) }, elapsed { floor.delete(slots) }] },
            swiftlet: {
                let times = separate.createAndDelete(isTimed: false)
                return [times[1], times[3]]
            })
    }
}

/// The addresses of a PC's devices below 4 GiB.
private let lowAperture = ScatteredPages.range(3 << 30, size: 0x3ec0_0000)

/// A virtual machine whose slots change as those of `Machine` do. It takes the time in KVM_SET_USER_MEMORY_REGION.
private final class TimedInstaller {
    let policy: SlotPolicy
    private(set) var calls = 0
    private(set) var slotCount = 0
    private var space: AddressSpace
    private var driver: Driver
    private let mappings: [Mapping]

    init(size: UInt64, policy: SlotPolicy) throws {
        self.policy = policy
        let system = try KVMSystem()
        let vm = try system.makeVirtualMachine()
        let cpu = try vm.makeVirtualCPU(id: 0)
        let window = FloorWindow(size: lowAperture.size, fileSize: size)
        let placement = Placement(
            backings: [window.fileAddress], windows: [HostWindow(aperture: lowAperture, host: window.address)])
        space = AddressSpace(limits: SlotLimits(userSlots: 32764), policy: policy, placement: placement)
        driver = Driver(vm: vm, cpu: cpu, window: window)
        let first = lowAperture.first.rawValue
        mappings = stride(from: 0, to: size, by: Int(Page.size)).map { offset in
            Mapping(
                range: ScatteredPages.range(first + offset, size: Page.size), backing: Backing(offset: offset),
                owner: .bar(function: 0x20, number: 2))
        }
    }

    /// Returns the time in slot ioctls and the whole time to create the slots, and then the same two for deleting them.
    func createAndDelete(isTimed: Bool = true) -> [Elapsed] {
        driver.isTimed = isTimed
        let ranges = mappings.map(\.range)
        do {
            let before = driver.calls
            driver.time = Elapsed()
            let create = try elapsed { try space.change(adding: mappings, through: &driver) }
            let createCalls = driver.time
            calls = driver.calls - before
            slotCount = space.table.count
            driver.time = Elapsed()
            let delete = try elapsed { try space.change(removing: ranges, through: &driver) }
            return [createCalls, create, driver.time, delete]
        } catch {
            preconditionFailure("\(error)")
        }
    }

    struct Driver: SlotInstaller, ~Copyable {
        let vm: VirtualMachine
        let cpu: VirtualCPU
        let window: FloorWindow
        var isTimed = true
        var calls = 0
        var time = Elapsed()

        init(vm: consuming VirtualMachine, cpu: consuming VirtualCPU, window: FloorWindow) {
            self.vm = vm
            self.cpu = cpu
            self.window = window
        }

        func park() {}
        func resume() {}

        mutating func set(_ request: SlotRequest) throws(SlotErrno) {
            calls += 1
            var errno: Int32 = 0
            if isTimed {
                time = time + elapsed { errno = call(request) }.wallOnly
            } else {
                errno = call(request)
            }
            guard errno == 0 else { throw SlotErrno(rawValue: errno) }
        }

        private func call(_ request: SlotRequest) -> Int32 {
            vm.setMemoryRegion(
                slot: request.slot, flags: request.flags, guestAddress: request.guestAddress, size: request.size,
                hostAddress: request.hostAddress)
        }

        func place(_ piece: WindowPiece) {
            window.map(host: piece.host, fileOffset: piece.backing.offset, size: piece.size)
        }

        func clear(_ piece: WindowPiece) {
            window.unmap(host: piece.host, size: piece.size)
        }

        func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64] {
            throw .invalidArgument
        }
    }
}
