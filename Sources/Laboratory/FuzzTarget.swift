internal import Machine
internal import Memslots

/// What the fuzzer asks: a KVM, or in tests something that plays its part. It begins without slots, but for one of its own.
protocol FuzzTarget: ~Copyable {
    var limits: SlotLimits { get }
    /// The first address space that there is not.
    var missingAddressSpace: UInt32 { get }
    /// Where the host memory for slots begins: `FuzzMemory.pages` pages, labelled.
    var memoryBase: UInt64 { get }
    /// The slot that the target keeps for itself, if any.
    var codeSlot: SlotRequest? { get }

    mutating func set(_ request: SlotRequest) throws(SlotErrno)
    mutating func look(at address: GuestAddress) throws(MachineError) -> BareMachine.Sight
}

/// The host memory that fuzzed slots show: each page begins with its label.
enum FuzzMemory {
    static let pages: UInt64 = 256
    static let size = pages * Page.size
}

extension BareMachine: FuzzTarget {
    var memoryBase: UInt64 { placement.backings[0] }

    /// A machine that looks, its memory labelled.
    static func forFuzzing() throws(MachineError) -> BareMachine {
        let machine = try BareMachine(memory: FuzzMemory.size, looks: true)
        for page in 0..<FuzzMemory.pages {
            machine.write(Label(number: Int(page)).bytes, at: page << Page.shift)
        }
        return machine
    }
}

extension FuzzOperation {
    /// Whether the guest can read a word there: below 4 GiB, and not its own code.
    static func canLook(at address: UInt64) -> Bool {
        address % 4 == 0 && address < BareMachine.codeAddress.rawValue
    }
}
