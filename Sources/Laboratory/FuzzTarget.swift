internal import Machine
internal import Memslots

/// What the fuzzer asks: a KVM, or a fake of it in tests. It begins with no slots but its own `codeSlot`.
protocol FuzzTarget: ~Copyable {
    var limits: SlotLimits { get }
    /// The number of the first address space that does not exist.
    var missingAddressSpace: UInt32 { get }
    /// The address of the host memory for slots: `FuzzMemory.pages` pages, each with its label.
    var memoryBase: UInt64 { get }
    /// The slot that the target keeps for itself, if any.
    var codeSlot: SlotRequest? { get }

    mutating func set(_ request: SlotRequest) throws(SlotErrno)
    mutating func readWord(at address: GuestAddress) throws(MachineError) -> BareMachine.ReadResult
}

/// The host memory that fuzzed slots show: each page begins with its label.
enum FuzzMemory {
    static let pages: UInt64 = 256
    static let size = pages * Page.size
}

extension BareMachine: FuzzTarget {
    var memoryBase: UInt64 { placement.backings[0] }

    mutating func set(_ request: SlotRequest) throws(SlotErrno) { try installer.set(request) }

    /// Makes a machine with a reader, whose pages have their labels.
    static func forFuzzing() throws(MachineError) -> BareMachine {
        let machine = try BareMachine(memory: FuzzMemory.size, hasReader: true)
        for page in 0..<FuzzMemory.pages {
            machine.write(Label(number: Int(page)).bytes, at: page << Page.shift)
        }
        return machine
    }
}
