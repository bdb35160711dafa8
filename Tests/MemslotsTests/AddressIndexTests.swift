import PropertySupport
import Testing

@testable import Memslots

/// The index against a sorted array.
@Suite struct AddressIndexTests {
    typealias Entry = AddressIndex.Entry

    private static func entries(of index: AddressIndex) -> [Entry] {
        var entries: [Entry] = []
        var position = index.first
        while let current = position {
            entries.append(index[current])
            position = index.position(after: current)
        }
        return entries
    }

    /// Sizes around a chunk and around half of one, and what KVM can hold.
    private static let sizes = [1, 2, 8, 9, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 40_000]

    @Test func emptyIndexFindsNothing() {
        let index = AddressIndex()
        #expect(index.first == nil)
        #expect(index.position(atOrBelow: .max) == nil)
        #expect(index.byteSize == 0)
    }

    @Test func largestFrameAndPayloadFit() throws {
        var index = AddressIndex()
        let entry = Entry(frame: Entry.maximumFrame, payload: Entry.maximumPayload)
        index.insert(entry)
        #expect(entry.frame == Entry.maximumFrame && entry.payload == Entry.maximumPayload)
        let position = try #require(index.position(atOrBelow: .max))
        #expect(index[position] == entry)
        #expect(index.position(atOrBelow: Entry.maximumFrame - 1) == nil)
    }

    /// Nothing lies above the largest frame, whatever the bits of the question.
    @Test(arguments: [Entry.maximumFrame + 1, 1 << 52, .max])
    func framesBeyondTheLargestHaveAllEntriesBelow(frame: UInt64) {
        var index = AddressIndex()
        index.insert(Entry(frame: 3, payload: 1))
        #expect(index.position(atOrBelow: frame) == AddressIndex.Position(chunk: 0, offset: 0))
    }

    @Test(arguments: Order.allCases, sizes)
    func filledAndDrainedInAnyOrderItHoldsTheSame(order: Order, size: Int) throws {
        var random = SplitMix64(seed: UInt64(size))
        let model = (0..<size).map { Entry(frame: UInt64($0) * 2 + 1, payload: $0) }
        var index = AddressIndex()
        for round in 0..<2 {
            for entry in order.arrange(model, using: &random) { index.insert(entry) }
            try ensure(index.count == size)
            try ensure(Self.entries(of: index) == model, "round \(round)")
            for entry in model {
                let position = index.position(atOrBelow: entry.frame + 1)
                try ensure(position.map { index[$0] } == entry)
            }
            for entry in order.arrange(model, using: &random) { index.remove(entry) }
            try ensure(index.count == 0 && index.first == nil && index.byteSize <= 200)
        }
    }

    /// A chunk of 128 entries of 8 bytes may be half empty, and its array an eighth larger than need be; removing may
    /// leave three eighths in a chunk and a quarter of the array unused.
    @Test(arguments: Order.allCases)
    func bytesStayInProportion(order: Order) throws {
        var random = SplitMix64(seed: 7)
        let entries = (0..<40_000).map { Entry(frame: UInt64($0), payload: $0) }
        var index = AddressIndex()
        for entry in order.arrange(entries, using: &random) {
            index.insert(entry)
            try ensure(index.byteSize <= 20 * index.count + 400)
        }
        for entry in order.arrange(entries, using: &random) {
            index.remove(entry)
            try ensure(index.byteSize <= 32 * index.count + 3000)
        }
    }

    @Test(arguments: propertySeeds, [UInt64(60), 1000, 1 << 20])
    func aSortedArraySaysTheSame(seed: UInt64, frames: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var index = AddressIndex()
        var model: [Entry] = []
        // Grows for a while, then shrinks for a while: positions are asked at all fills.
        var isGrowing = true
        for step in 0..<20_000 {
            if step.isMultiple(of: 2500) { isGrowing.toggle() }
            let frame = UInt64.random(in: 0..<frames, using: &random)
            let place = model.partitioningIndex { $0.frame >= frame }
            let isThere = place < model.count && model[place].frame == frame
            if isGrowing || model.count < 10, !isThere {
                let entry = Entry(frame: frame, payload: .random(in: 0...Entry.maximumPayload, using: &random))
                index.insert(entry)
                model.insert(entry, at: place)
            } else if !isGrowing, let place = model.indices.randomElement(using: &random) {
                index.remove(model.remove(at: place))
            }
            try ensure(index.count == model.count)
            let asked = UInt64.random(in: 0...frames, using: &random)
            let above = model.partitioningIndex { $0.frame >= asked }
            let isExact = above < model.count && model[above].frame == asked
            let below = isExact ? above : above - 1
            try ensure(index.position(atOrBelow: asked).map { index[$0] } == model.at(below))
            let after = index.position(atOrBelow: asked).flatMap { index.position(after: $0) }
            try ensure(after.map { index[$0] } == (below < 0 ? nil : model.at(below + 1)))
            if step.isMultiple(of: 500) { try ensure(Self.entries(of: index) == model) }
        }
    }
}

/// An order in which things are added or taken away.
enum Order: String, CaseIterable {
    case ascending, descending, random

    func arrange<Element>(_ elements: [Element], using random: inout SplitMix64) -> [Element] {
        switch self {
        case .ascending: elements
        case .descending: elements.reversed()
        case .random: elements.shuffled(using: &random)
        }
    }
}

extension Array {
    fileprivate func at(_ position: Int) -> Element? {
        indices.contains(position) ? self[position] : nil
    }

    /// The first position from which on the condition holds.
    fileprivate func partitioningIndex(where belongsInSecond: (Element) -> Bool) -> Int {
        var range = startIndex..<endIndex
        while let middle = range.isEmpty ? nil : (range.lowerBound + range.upperBound) / 2 {
            range = belongsInSecond(self[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }
}
