public import Host
internal import SystemPackage

/// The eventfds that the kernel has for the vectors of a kind of interrupts.
public struct VectorEvents: Sendable {
    private var events: [SharedDescriptor?] = []
    /// The number of vectors that the host grants, if it has granted fewer than there were to be.
    public private(set) var granted: Int?

    public init() {}

    /// Goes from the present eventfds to others, by calls for the vectors that change.
    ///
    /// All vectors are set up at once, because kernels before 6.4 cannot add any (`VFIO_IRQ_INFO_NORESIZE`): they would lose interrupts while
    /// all are taken down. If the host grants fewer, the first ones get their eventfds and the others none.
    ///
    /// - Parameters:
    ///   - wanted: The eventfds by vector, or nil for vectors that are closed. Without any the kind is taken down.
    ///   - count: The number of vectors that the function has.
    ///   - set: Gives the vectors from a first one on eventfds, or takes the kind down if there are none. Returns the number of vectors, or of
    ///     those that there could be.
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
            throw HostError(call: "VFIO_DEVICE_SET_IRQS", subject: "\(size) vectors, none at most", errno: .noSpace)
        }
        granted = possible
        try change(to: wanted, count: count, set: set)
    }
}
