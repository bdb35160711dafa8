public import Host
internal import SystemPackage

/// The eventfds that the kernel signals for the vectors of one kind of interrupts.
public struct VectorEvents: Sendable {
    /// The eventfds by vector. The list is empty while the kind of interrupts is down.
    private var events: [SharedDescriptor?] = []
    /// The number of vectors that the host grants, or nil as long as it has granted all that were asked for.
    public private(set) var granted: Int?

    /// Creates the state of a kind of interrupts that is down: no vector has an eventfd.
    public init() {}

    /// Gives vectors other eventfds, by one call of `set` for the range of vectors whose eventfds change.
    ///
    /// All vectors are set up at once, because kernels before 6.4 cannot add any later (`VFIO_IRQ_INFO_NORESIZE`). To add one, all
    /// vectors would have to be taken down, and interrupts would be lost meanwhile. If the host grants fewer vectors, the first
    /// ones get their eventfds and the others get none.
    ///
    /// - Parameters:
    ///   - wanted: The eventfds by vector, or nil for vectors that get none. If the list is empty, the kind is taken down.
    ///   - count: The number of vectors that the function has.
    ///   - set: A function that gives eventfds to the vectors from `first` on, or takes the kind down if it is given none. The
    ///     function returns the number of the eventfds or, if the host grants fewer vectors than that, the number that the host can
    ///     grant.
    public mutating func change(
        to wanted: [SharedDescriptor?], count: Int,
        set: (_ first: Int, _ events: [SharedDescriptor?]) throws(HostError) -> Int
    ) throws(HostError) {
        let size = min(wanted.isEmpty ? 0 : max(count, wanted.count), granted ?? .max)
        let whole = (0..<size).map { wanted.indices.contains($0) ? wanted[$0] : nil }
        if !events.isEmpty, events.count != size {
            _ = try set(0, [])
            events = []
        }
        let changed = whole.indices.filter { !events.indices.contains($0) || events[$0] !== whole[$0] }
        guard let first = changed.first, let last = changed.last else { return }
        let possible = try set(first, Array(whole[first...last]))
        guard possible <= last - first else {
            events = whole
            return
        }
        guard possible > 0 else {
            throw HostError(
                call: "VFIO_DEVICE_SET_IRQS", subject: "\(size) vectors, of which the host grants none", errno: .noSpace
            )
        }
        granted = possible
        try change(to: wanted, count: count, set: set)
    }
}
