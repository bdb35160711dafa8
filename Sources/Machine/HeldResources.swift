internal import Host
internal import KVM
internal import Memslots
internal import PCI

/// The numbers of resources that a machine holds of KVM and of the host at present. When functions have come and gone, the
/// numbers are as before.
public struct HeldResources: Codable, Hashable, Sendable {
    /// The number of slots.
    public let slots: Int
    /// The highest id of the slots.
    public let highestSlot: Int
    /// The number of mappings of guest memory.
    public let mappings: Int
    /// The number of backings that mappings can show.
    public let backings: Int
    /// The number of messages with routes (GSIs).
    public let routes: Int
    /// The number of eventfds by which KVM raises interrupts (irqfds).
    public let interruptEvents: Int
    /// The number of events that KVM takes (ioeventfds).
    public let writeEvents: Int
    /// The number of eventfds that devices have for writes to them.
    public let deviceEvents: Int
}

extension GuestMachine {
    /// The numbers of resources that the machine holds at present.
    public var held: HeldResources {
        let interruptEvents = assignedFunctions.reduce(0) { $0 + ($1.interrupts?.takenCount ?? 0) }
        return state.withLock { state in
            let table = state.memory.space.table
            return HeldResources(
                slots: table.count, highestSlot: table.all.reduce(0) { max($0, Int($1.id)) },
                mappings: state.memory.space.mappings(in: .everything).count,
                backings: state.memory.installer.store.hostAddresses.count { $0 != 0 },
                routes: owned.routes.withLock { $0.count },
                interruptEvents: interruptEvents, writeEvents: state.takenEventCount,
                deviceEvents: state.memory.installer.givenEvents.count)
        }
    }
}
