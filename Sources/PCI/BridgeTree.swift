/// The bridges of a machine: the buses to which they lead, and the ranges that they pass on at present.
///
/// A bus without a bridge above it is a root bus, which every access reaches. Behind bridges an access reaches a function if each
/// bridge on the way passes the access on.
public struct BridgeTree: Sendable {
    private struct Bridge: Sendable {
        let description: BridgeDescription
        var windows: [ClosedRange<UInt64>?] = [nil, nil, nil]
        var numbers: (secondary: UInt8, subordinate: UInt8) = (0, 0)
    }

    private var bridges: [FunctionAddress: Bridge] = [:]
    /// The nearest bridge above each bus other than root buses, by `FunctionAddress.busNumber`.
    private var above: [UInt16: FunctionAddress] = [:]
    /// All bridges. Each one comes after the bridges above it.
    private let order: [FunctionAddress]
    /// The number of changes of bus numbers so far.
    public private(set) var numbering: UInt64 = 0

    /// Creates the tree of a machine without bridges.
    public init() { order = [] }

    /// Creates the tree of the bridges among a machine's functions, in the state after reset, in which they pass nothing on.
    ///
    /// - Throws: `DescriptionError.busNumbers` for the first bridge that shares a bus with another one, or leads to a bus that is
    ///   not behind the bridge above it. `DescriptionError.slot` for a function that a slot does not take.
    public init(_ functions: [FunctionAddress: FunctionDescription]) throws(DescriptionError) {
        for (address, description) in functions {
            bridges[address] = description.bridge.map { Bridge(description: $0) }
        }
        // The buses behind a bridge have higher numbers than its own bus. So this order puts each bridge after the bridges above
        // it.
        order = bridges.keys.sorted { [bridges] left, right in
            (left.segment, bridges[left]?.description.secondary ?? 0, left)
                < (right.segment, bridges[right]?.description.secondary ?? 0, right)
        }
        for address in order {
            guard let bridge = bridges[address]?.description else { continue }
            let isOrdered = address.bus < bridge.secondary && bridge.secondary <= bridge.subordinate
            let buses = isOrdered ? bridge.secondary...bridge.subordinate : 0...0
            let parent = above[address.busNumber]
            guard isOrdered, buses.allSatisfy({ above[UInt16(address.segment) << 8 | UInt16($0)] == parent }) else {
                throw .busNumbers(address, bridge)
            }
            for bus in buses { above[UInt16(address.segment) << 8 | UInt16(bus)] = address }
        }
        for (address, description) in functions.sorted(by: { $0.key < $1.key }) {
            guard let port = bridge(above: address), let bridge = bridges[port]?.description, bridge.hasSlot else {
                continue
            }
            let slot = bridge.slot(segment: port.segment)
            guard address == slot, description.bridge == nil else { throw .slot(address, port: port) }
        }
    }

    /// Whether there are no bridges.
    public var isEmpty: Bool { order.isEmpty }

    /// All bridges, from the farthest to those on root buses. Each one comes before the bridge above it.
    public var bottomUp: ReversedCollection<[FunctionAddress]> { order.reversed() }

    /// The ranges that the bridges pass on at present.
    public var windows: [AddressAssignment] {
        order.flatMap { bridge in
            zip(BridgeWindow.allCases, bridges[bridge]?.windows ?? []).compactMap { window, range in
                range.map {
                    AddressAssignment(
                        owner: BAROwner(function: bridge, register: .window(window)), base: $0.lowerBound,
                        size: $0.upperBound &- $0.lowerBound &+ 1)
                }
            }
        }
    }

    /// Returns the bridge directly above the bus of a function, or nil on a root bus.
    public func bridge(above function: FunctionAddress) -> FunctionAddress? {
        above.isEmpty ? nil : above[function.busNumber]
    }

    /// Returns a function and the bridges above it, the nearest bridge first.
    public func path(to function: FunctionAddress) -> UnfoldFirstSequence<FunctionAddress> {
        sequence(first: function) { bridge(above: $0) }
    }

    /// Returns whether a bridge is above the bus of a function, at any distance.
    func isBehind(_ bridge: FunctionAddress, _ function: FunctionAddress) -> Bool {
        path(to: function).dropFirst().contains(bridge)
    }

    /// Returns whether all bridges above a function pass a range on to it. Each bridge has to pass all of the range through one of
    /// these windows.
    func passes(_ range: ClosedRange<UInt64>, through windows: [BridgeWindow], to function: FunctionAddress) -> Bool {
        path(to: function).dropFirst().allSatisfy { address in
            windows.contains { window in
                bridges[address]?.windows[Int(window.rawValue)].map { $0.contains(range) } == true
            }
        }
    }

    /// Takes over the bus numbers and windows of the function at an address if the function is a bridge. A bridge that is gone
    /// (nil) passes nothing on any more. Returns whether the windows differ from before.
    mutating func update(_ address: FunctionAddress, _ function: PCIFunction?) -> Bool {
        guard let old = bridges[address] else { return false }
        let numbers = function?.busNumbers ?? (0, 0)
        let windows = BridgeWindow.allCases.map { function?.range(of: $0) }
        if old.numbers != numbers { numbering &+= 1 }
        bridges[address]?.numbers = numbers
        bridges[address]?.windows = windows
        return old.windows != windows
    }

    /// The buses that software reaches at present, by the numbers that it gave to bridges. Each key is such a number. The value is
    /// the number that the same bus has in the addresses of functions. Both have the form of `FunctionAddress.busNumber`.
    ///
    /// A bridge passes on accesses to the buses from its secondary to its subordinate number. The bridge above must pass them on as
    /// well. If two bridges have the same number, the first one has it.
    public var busesBySoftwareNumber: [UInt16: UInt16] {
        var buses: [UInt16: UInt16] = [:]
        var ends: [FunctionAddress: ClosedRange<UInt8>] = [:]
        for address in order {
            guard let bridge = bridges[address] else { continue }
            let (first, last) = bridge.numbers
            guard first > 0, first <= last else { continue }
            if let parent = above[address.busNumber] {
                // The first number that the bridge above passes on belongs to the bus that this bridge is on.
                guard let range = ends[parent], first > range.lowerBound, last <= range.upperBound else { continue }
            }
            ends[address] = first...last
            let own = bridge.description
            for bus in own.secondary...own.subordinate {
                let home = UInt16(address.segment) << 8 | UInt16(bus)
                let (number, overflow) = first.addingReportingOverflow(bus - own.secondary)
                guard above[home] == address, !overflow, number <= last else { continue }
                let key = UInt16(address.segment) << 8 | UInt16(number)
                if buses[key] == nil { buses[key] = home }
            }
        }
        return buses
    }

    /// Returns the address of the function that software reaches by `address`, or nil if no bus has that number. The second
    /// argument is the present value of `busesBySoftwareNumber`.
    public func firmwareAddress(of address: FunctionAddress, _ present: [UInt16: UInt16]) -> FunctionAddress? {
        let bus = present[address.busNumber] ?? (above[address.busNumber] == nil ? address.busNumber : nil)
        return bus.map {
            FunctionAddress(requesterID: $0 << 8 | address.requesterID & 0xff, segment: address.segment)
        }
    }
}

extension ClosedRange<UInt64> {
    fileprivate func contains(_ other: ClosedRange<UInt64>) -> Bool {
        lowerBound <= other.lowerBound && other.upperBound <= upperBound
    }
}
