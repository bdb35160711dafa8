/// An operation that has a price. docs/prices.md lists the system calls of each.
public enum PriceOperation: String, CaseIterable, Codable, Sendable {
    /// A request that leaves the slot as it is.
    case noop = "no-op"
    /// Dirty logging begins or ends.
    case flagsOn = "flags-on", flagsOff = "flags-off"
    /// The dirty log is taken.
    case dirtyLog = "dirty-log"
    /// The slot becomes read-only, or writable again.
    case readOnly = "read-only"
    /// A change of the slot itself.
    case create, delete, move, replace
    /// One transaction creates 8 slots, with the vCPUs parked or left in the guest.
    case batch8 = "batch-8", batch8Unparked = "batch-8-unparked"
    /// One transaction creates 64 slots, with the vCPUs parked or left in the guest.
    case batch64 = "batch-64", batch64Unparked = "batch-64-unparked"
    /// All vCPUs are called out of the guest.
    case callOut = "call-out"
    /// KVM begins or ceases to take writes to an address.
    case ioeventfdOn = "ioeventfd-on", ioeventfdOff = "ioeventfd-off"
    /// KVM begins or ceases to take interrupts from an eventfd.
    case irqfdOn = "irqfd-on", irqfdOff = "irqfd-off"
    /// As many routes of interrupts change as the name says.
    case routes1 = "routes-1", routes64 = "routes-64", routes4096 = "routes-4096"

    /// A description of the operation in one line.
    public var words: String {
        switch self {
        case .noop: "a slot set again, all of it as it is"
        case .flagsOn: "dirty logging begins"
        case .flagsOff: "dirty logging ends, its last log taken"
        case .dirtyLog: "the log of a slot is taken; no page was dirtied"
        case .readOnly: "writable to read-only or back: a delete and a create"
        case .create: "a slot comes"
        case .delete: "a slot goes"
        case .move: "a slot gets another guest address"
        case .replace: "other host memory in the same place: a delete and a create"
        case .batch8, .batch64: "8 or 64 slots are created in one transaction, vCPUs parked"
        case .batch8Unparked, .batch64Unparked: "the same with vCPUs left in the guest"
        case .callOut: "all vCPUs are called out of the guest and let go"
        case .ioeventfdOn, .ioeventfdOff: "KVM begins, or ends, to take writes to an address"
        case .irqfdOn, .irqfdOff: "KVM takes interrupts from an eventfd, or no longer"
        case .routes1, .routes64, .routes4096: "1, 64 or 4096 routes change (the 4096 include those of interrupt lines)"
        }
    }

    /// The operation that undoes this one. The two are measured in turns.
    var undo: PriceOperation? {
        switch self {
        case .flagsOn: .flagsOff
        case .create: .delete
        case .ioeventfdOn: .ioeventfdOff
        case .irqfdOn: .irqfdOff
        default: nil
        }
    }

    /// Whether the operation is undone by the same operation.
    var isBothWays: Bool { [.readOnly, .move, .replace, .routes1, .routes64, .routes4096].contains(self) }
}

/// The activity of the vCPUs while a price is measured.
public enum VCPUActivity: String, Codable, Sendable {
    /// The vCPUs read and write mapped memory.
    case spin
    /// The vCPUs have executed HLT, and wait in the kernel for an interrupt that does not come.
    case halt
    /// The vCPUs write to pages that the host has to fault in.
    case fault
}

/// A cell of the price list: an operation, and the circumstances in which it is measured.
public struct PriceCell: Codable, Hashable, Sendable {
    /// The measured operation.
    public let operation: PriceOperation
    /// The size of the measured slot in bytes. If the operation concerns no slot, it is the size of a page.
    public let slotBytes: UInt64
    /// The number of one-page slots that the machine has beside the RAM and the measured slot.
    public let slots: Int
    /// The number of vCPUs that run.
    public let vcpus: Int
    /// The activity of the vCPUs. Nil without vCPUs.
    public let activity: VCPUActivity?

    /// The largest number of cells that one run measures.
    public static let most = 120

    /// Returns all cells with these numbers of vCPUs. Cells that share a machine are next to each other.
    public static func all(vcpus: [Int]) -> [PriceCell] {
        let (page, large, huge): (UInt64, UInt64, UInt64) = (4 << 10, 2 << 20, 1 << 30)
        return vcpus.flatMap { count -> [PriceCell] in
            func cells(
                _ operations: [PriceOperation], of bytes: UInt64 = page, among slots: Int = 32,
                _ activity: VCPUActivity? = nil
            ) -> [PriceCell] {
                operations.map {
                    PriceCell(operation: $0, slotBytes: bytes, slots: slots, vcpus: count, activity: activity)
                }
            }
            // The operations that concern only the measured slot, and those that concern events.
            let slot: [PriceOperation] = [
                .noop, .flagsOn, .flagsOff, .dirtyLog, .readOnly, .create, .delete, .move, .replace,
            ]
            let event: [PriceOperation] = [.ioeventfdOn, .ioeventfdOff, .irqfdOn, .irqfdOff]
            if count == 0 {
                return [page, large, huge].flatMap { cells(slot, of: $0) }
                    + cells([.batch8, .batch64] + event + [.routes1, .routes64, .routes4096])
                    + [2048, 32_000].flatMap {
                        cells(slot, among: $0) + cells([.create, .delete], of: huge, among: $0)
                    }
            }
            let batches: [PriceOperation] = [.batch8, .batch8Unparked, .batch64, .batch64Unparked]
            let few: [PriceOperation] = [.flagsOn, .flagsOff, .create, .delete, .callOut]
            return cells(slot + batches + [.callOut] + event + [.routes64], .spin)
                + cells(few, .halt) + cells(few + [.move], .fault)
        }
    }

    /// Whether the two cells can be measured in one machine.
    func sharesMachine(with other: PriceCell) -> Bool {
        (slots, vcpus, activity) == (other.slots, other.vcpus, other.activity)
    }
}

extension PriceCell: CustomStringConvertible {
    /// `create/2M/32/4-spin`: the operation, the size of the measured slot, the number of other slots, and the vCPUs.
    public var description: String {
        let units: [(String, UInt64)] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)]
        let size = units.first { slotBytes >= $0.1 }.map { "\(slotBytes / $0.1)\($0.0)" } ?? "\(slotBytes)"
        return "\(operation.rawValue)/\(size)/\(slots)/\(vcpus)\(activity.map { "-\($0.rawValue)" } ?? "")"
    }
}
