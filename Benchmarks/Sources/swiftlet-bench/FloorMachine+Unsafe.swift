internal import Floor

/// A virtual machine in plain C.
@safe
final class FloorMachine {
    // SAFETY: The machine exists from init to deinit.
    private let vm: OpaquePointer

    init(code: [UInt8], spareMemory: UInt64 = 0, mode: floor_mode = FLOOR_REAL) {
        // SAFETY: the code lives through the call; a failure ends the process.
        unsafe vm = floor_vm_create(code, code.count, spareMemory, mode)
    }

    deinit {
        // SAFETY: nobody uses it any more.
        unsafe floor_vm_destroy(vm)
    }

    func set(_ slots: [floor_slot]) {
        // SAFETY: the array is as long as it says.
        unsafe floor_set_slots(vm, slots, slots.count)
    }

    func delete(_ slots: [floor_slot]) {
        // SAFETY: the array is as long as it says.
        unsafe floor_delete_slots(vm, slots, slots.count)
    }

    /// Runs the guest to its end, and returns the number of exits.
    func run() -> UInt64 {
        // SAFETY: The machine exists. No time of the first run is asked for.
        unsafe floor_vm_run(vm, nil)
    }

    /// Runs the guest to its end, with a device process behind the addresses without memory. Returns the number of exits.
    func run(with device: Int32) -> UInt64 {
        // SAFETY: The machine exists.
        unsafe floor_vm_run_device(vm, device)
    }

    /// Lets vector 1 of a device process interrupt the guest with this message. Returns the eventfd.
    func interrupt(by device: Int32, data: UInt32) -> Int32 {
        // SAFETY: The machine exists.
        unsafe floor_device_interrupt(vm, device, data)
    }

    /// Connects to a device process.
    static func connect(to path: String) -> Int32 {
        // SAFETY: the call reads the string, which outlives it.
        unsafe floor_device_connect(path)
    }

    /// Runs the guest in a thread. `join` must be called before the machine is released.
    func start() {
        // SAFETY: The thread is joined before deinit.
        unsafe floor_vm_start(vm)
    }

    func join() {
        // SAFETY: the thread was started.
        unsafe floor_vm_join(vm)
    }

    func poke(_ value: UInt8, at address: UInt64) {
        // SAFETY: Callers use addresses in the RAM.
        unsafe floor_vm_poke(vm, address, value)
    }
}

extension FloorMachine {
    /// Runs a guest of several vCPUs in its own machine, in plain C. Returns the time from the start of its threads to their
    /// end.
    static func run(_ code: [UInt8], vcpus: Int, isShared: Bool) -> Elapsed {
        // SAFETY: the code lives through the call; a failure ends the process.
        let nanoseconds = unsafe floor_run_vcpus(code, code.count, Int32(vcpus), isShared ? 1 : 0)
        return Elapsed(wall: Double(nanoseconds) / 1e9, processor: nil)
    }
}

/// A sorted array of slots in plain C.
@safe
final class FloorTable {
    private let table: OpaquePointer

    /// Makes a table. `slots` must be in the order of their addresses.
    init(_ slots: [floor_slot]) {
        // SAFETY: the array is as long as it says, and is copied.
        unsafe table = floor_table_create(slots, slots.count)
    }

    deinit {
        // SAFETY: nobody uses it any more.
        unsafe floor_table_destroy(table)
    }

    func sumOfIDs(at addresses: [UInt64], hole: UInt64) -> UInt64 {
        // SAFETY: the array is as long as it says.
        unsafe floor_sum_ids(table, addresses, addresses.count, hole)
    }

    func sumOfFinds(at addresses: [UInt64]) -> UInt64 {
        // SAFETY: the array is as long as it says.
        unsafe floor_sum_finds(table, addresses, addresses.count)
    }
}

/// Reserved host address space and a memory file, in plain C.
@safe
final class FloorWindow {
    private let window: OpaquePointer

    init(size: UInt64, fileSize: UInt64) {
        // SAFETY: a failure ends the process.
        unsafe window = floor_window_create(size, fileSize)
    }

    deinit {
        // SAFETY: nobody uses it any more.
        unsafe floor_window_destroy(window)
    }

    var address: UInt64 {
        // SAFETY: The window exists.
        unsafe floor_window_address(window)
    }

    var fileAddress: UInt64 {
        // SAFETY: The window exists.
        unsafe floor_window_file_address(window)
    }

    func map(host: UInt64, fileOffset: UInt64, size: UInt64) {
        // SAFETY: The planner makes only pieces that lie in the window.
        unsafe floor_window_map(window, host, fileOffset, size)
    }

    func unmap(host: UInt64, size: UInt64) {
        // SAFETY: The planner makes only pieces that lie in the window.
        unsafe floor_window_unmap(window, host, size)
    }
}
