internal import Host
internal import Memslots
internal import PCI

/// The numbers of things that a machine holds of KVM and of the host at present. When functions have come and gone, the numbers
/// are as before.
public struct HeldResources: Codable, Hashable, Sendable {
    /// The slots.
    public let slots: Int
    /// The highest id of the slots.
    public let highestSlot: Int
    /// The mappings of guest memory.
    public let mappings: Int
    /// The backings that mappings can show.
    public let backings: Int
    /// The messages with routes (GSIs).
    public let routes: Int
    /// The eventfds by which KVM raises interrupts (irqfds).
    public let interruptEvents: Int
    /// The events that KVM takes (ioeventfds).
    public let writeEvents: Int
    /// The eventfds that devices have for writes to them.
    public let deviceEvents: Int
}

extension GuestMachine {
    /// What the machine holds at present.
    public var held: HeldResources {
        let interruptEvents = assignedFunctions.reduce(0) { $0 + ($1.interrupts?.takenCount ?? 0) }
        return state.withLock { state in
            let table = state.memory.space.table
            return HeldResources(
                slots: table.count, highestSlot: table.all.reduce(0) { max($0, Int($1.id)) },
                mappings: state.memory.space.mappings(in: .everything).count,
                backings: state.memory.installer.store.hostAddresses.count { $0 != 0 }, routes: routes.count,
                interruptEvents: interruptEvents, writeEvents: state.takenEventCount,
                deviceEvents: state.memory.installer.givenEvents.count)
        }
    }
}
