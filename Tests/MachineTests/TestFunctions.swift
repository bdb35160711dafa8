import Devices
import Dispatch
import Host
import Layouts
import Memslots
import PCI
import Synchronization

@testable import Machine

/// Registers in the first page of BAR 0, memory in the second. KVM takes the writes of four bytes at 0x10; a read at 0 gives their
/// number.
struct EventFunction: FunctionModel {
    let description = FunctionDescription(
        vendorID: 0x1af4, deviceID: 0x10f1,
        bars: [0: BARDescription(kind: .memory32, size: 0x2000, registers: [0..<0x1000])])
    private var count: UInt64 = 0

    let events = [FunctionEvent(register: .bar(0), offset: 0x10, size: 4)]

    mutating func add(count: UInt64, of event: FunctionEvent) {
        self.count &+= count
    }

    mutating func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        offset == 0 ? count : 0
    }

    mutating func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects {
        if offset == 0x10 { count &+= 1 }
        return .none
    }
}

/// Memory of a machine's own in BAR 0.
func plainFunction(size: UInt64 = 0x1000) -> DescribedFunction {
    DescribedFunction(
        FunctionDescription(
            vendorID: 0x1af4, deviceID: 0x10f2, bars: [0: BARDescription(kind: .memory32, size: size)]))
}

/// Holds whoever comes until it is opened for one.
final class Gate: Sendable {
    private let entered = DispatchSemaphore(value: 0)
    private let opened = DispatchSemaphore(value: 0)

    func pass() {
        entered.signal()
        opened.wait()
    }

    /// Whether somebody came in time.
    func waitForVisitor() -> Bool {
        entered.wait(timeout: .now() + 30) == .success
    }

    func open() {
        opened.signal()
    }
}

/// A device that keeps whoever accesses it.
struct GateDevice: Device {
    let gate: Gate

    func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        gate.pass()
        return DeviceReply(0x0d)
    }

    func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        gate.pass()
        return .none
    }
}

/// A function whose registers, in BAR 0, keep whoever reads them.
struct GateFunction: FunctionModel {
    let gate: Gate
    let description = FunctionDescription(
        vendorID: 0x1af4, deviceID: 0x10f3,
        bars: [0: BARDescription(kind: .memory32, size: 0x1000, registers: [0..<0x1000])])

    func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        gate.pass()
        return 0x600d
    }
}

/// Counts what is written to it, and says when that is as much as was expected. Reads as its number.
struct CountingDevice: Device {
    let number: UInt64
    let expected: Int
    let isThrough: DispatchSemaphore
    private var count = 0

    init(number: UInt64, expected: Int, isThrough: DispatchSemaphore = DispatchSemaphore(value: 0)) {
        self.number = number
        self.expected = expected
        self.isThrough = isThrough
    }

    func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        DeviceReply(number)
    }

    mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        count += 1
        if count == expected { isThrough.signal() }
        return .none
    }
}

/// Which of the calls of a change is refused, counted from 0; none at first.
final class Faults: Sendable {
    private let state = Lock((next: 0, refused: [Int]()))

    /// Begins to count anew.
    func refuse(_ calls: [Int]) {
        state.withLock { $0 = (0, calls) }
    }

    var count: Int {
        state.withLock { $0.next }
    }

    /// What becomes of the next call.
    func next() -> SlotErrno? {
        state.withLock { state in
            defer { state.next += 1 }
            return state.refused.contains(state.next) ? .outOfMemory : nil
        }
    }

    /// Lets the machine's calls fail.
    func install(in machine: GuestMachine) {
        machine.owned.refusal.withLock { $0 = CallRefusal { $0 == .interrupt ? nil : self.next() } }
    }
}

/// Knows which mappings there are.
final class RecordingObserver: MemoryObserver {
    private let known = Lock<[GuestRange: MappingOwner]>([:])
    private let faults: Faults?

    init(_ faults: Faults? = nil) {
        self.faults = faults
    }

    var mappings: [GuestRange: MappingOwner] {
        known.withLock { $0 }
    }

    func mirrors(_ mapping: Mapping) -> Bool { true }

    func add(_ mapping: Mapping) throws(SlotErrno) {
        if let errno = faults?.next() { throw errno }
        known.withLock { $0[mapping.range] = mapping.owner }
    }

    func remove(_ mapping: Mapping) throws(SlotErrno) {
        if let errno = faults?.next() { throw errno }
        known.withLock { $0[mapping.range] = nil }
    }
}

extension GuestMachine {
    /// The mappings that there are, by range.
    var mappings: [GuestRange: MappingOwner] {
        Dictionary(uniqueKeysWithValues: memory.rows.map { ($0.mapping.range, $0.mapping.owner) })
    }
}
