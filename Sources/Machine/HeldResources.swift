internal import Host
internal import Memslots
internal import PCI

/// What a machine holds of KVM and of the host at present. When functions have come and gone, it is as it was before.
public struct HeldResources: Codable, Hashable, Sendable {
    /// The slots, and the highest of their ids.
    public let slots: Int
    public let highestSlot: Int
    public let mappings: Int
    /// The backings that mappings can show.
    public let backings: Int
    /// The messages with routes (GSIs).
    public let routes: Int
    /// The eventfds by which KVM raises interrupts (irqfds).
    public let interruptEvents: Int
    /// The writes that KVM takes (ioeventfds).
    public let writeEvents: Int
    /// The eventfds of devices for writes to them.
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
