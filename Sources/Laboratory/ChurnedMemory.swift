internal import Board
internal import Machine
internal import Memslots
internal import SeededRandom

/// Places side by side, of which one in five is free at the start, and the changes that are made to them.
struct ChurnedMemory {
    private struct Content {
        /// The number of the page of memory that is mapped.
        var page: Int
        var access: Access
    }

    let machine: GuestMachine
    private let backings: [Backing]
    /// By place; nil where nothing is mapped.
    private var contents: [Content?]
    /// Pages that are mapped nowhere.
    private var idle: [Int] = []
    private var logs: [Bool]
    private(set) var watched: WatchedPlaces
    /// By place: its number among the watched ones.
    private let numbers: [Int?]
    private var random: SplitMix64

    /// More places than these are not watched: the guest would take too long to come back to one.
    private static let mostWatched = 256

    /// Maps `slots` pages, each in a slot of its own, with a free place after every fourth.
    init(slots: Int, _ machine: GuestMachine, vcpus: Int, seed: UInt64) throws(MachineError) {
        let limit = machine.slots.limit - machine.slots.count
        guard (2...limit).contains(slots) else {
            throw .experiment("\(slots) slots: beside the guest's RAM there can be 2 to \(limit)")
        }
        self.machine = machine
        random = SplitMix64(seed: seed)
        var backings: [Backing] = []
        for _ in 0..<slots { backings.append(try machine.allocate(Page.size)) }
        self.backings = backings
        contents = (0..<Self.place(ofPage: slots - 1) + 2).map { place in
            place % 5 == 4 || place / 5 * 4 + place % 5 >= slots
                ? nil : Content(page: place / 5 * 4 + place % 5, access: .readWrite)
        }
        logs = Array(repeating: false, count: slots)
        try machine.changeMemory(
            adding: backings.enumerated().map { page, backing in
                Mapping(range: Self.range(Self.place(ofPage: page)), backing: backing, owner: .other(page))
            })
        var watched = WatchedPlaces(machine, vcpus: vcpus)
        let step = max(1, contents.count / Self.mostWatched)
        var numbers: [Int?] = []
        for (place, content) in contents.enumerated() {
            if let content {
                _ = machine.write(Label(number: content.page).bytes, at: Self.range(place).first)
            }
            numbers.append(place % step == 0 ? watched.add(Self.range(place).first, showing: Self.sight(content)) : nil)
        }
        self.watched = watched
        self.numbers = numbers
    }

    // MARK: Changes

    /// Makes a random change; what it was, whether the vCPUs were parked, and how long it took.
    mutating func change() throws(MachineError) -> (ChurnResult.Kind, isParked: Bool, Duration) {
        let place = Int.random(in: contents.indices, using: &random)
        let isParked = Bool.random(using: &random)
        guard let content = contents[place] else {
            if Bool.random(using: &random), let page = idle.popLast() {
                let content = Content(page: page, access: .readWrite)
                return (.create, isParked, try put([(place, content)], isParked))
            }
            return try move(to: place, isParked)
        }
        // Of these, as many deletes as it takes for a page or two to be idle when one is to be created.
        switch Int.random(in: 0..<6, using: &random) {
        case 0..<2:
            idle.append(content.page)
            return (.delete, isParked, try put([(place, nil)], isParked))
        case 2 where !idle.isEmpty:
            let index = Int.random(in: idle.indices, using: &random)
            let new = Content(page: idle[index], access: .readWrite)
            idle[index] = content.page
            return (.replace, isParked, try put([(place, new)], isParked))
        case 3:
            var new = content
            new.access = content.access == .readOnly ? .readWrite : .readOnly
            return (.access, isParked, try put([(place, new)], isParked))
        case 4:
            logs[content.page].toggle()
            let time = try measure { () throws(MachineError) in
                try machine.setDirtyLogging(logs[content.page], in: Self.range(place), parked: isParked)
            }
            return (.flags, isParked, time)
        default:
            return try move(from: place, isParked)
        }
    }

    /// Moves a mapping to a place that is free; where nothing is mapped, creates it there.
    private mutating func move(
        from: Int? = nil, to: Int? = nil, _ isParked: Bool
    ) throws(MachineError) -> (ChurnResult.Kind, isParked: Bool, Duration) {
        if let to, idle.count == backings.count, let page = idle.popLast() {
            return (.create, isParked, try put([(to, Content(page: page, access: .readWrite))], isParked))
        }
        // Some places are free, and something is mapped.
        func find(mapped: Bool) -> Int {
            while true {
                let place = Int.random(in: contents.indices, using: &random)
                if (contents[place] != nil) == mapped { return place }
            }
        }
        let from = from ?? find(mapped: true)
        let to = to ?? find(mapped: false)
        return (.move, isParked, try put([(from, nil), (to, contents[from])], isParked))
    }

    /// Puts other contents into places, in one transaction, and tells the guest.
    private mutating func put(
        _ changes: [(place: Int, content: Content?)], _ isParked: Bool
    ) throws(MachineError) -> Duration {
        let removing = changes.filter { contents[$0.place] != nil }.map { Self.range($0.place) }
        let adding = changes.compactMap { place, content in
            content.map {
                Mapping(
                    range: Self.range(place), backing: backings[$0.page], access: $0.access, owner: .other($0.page))
            }
        }
        let numbers = changes.map { self.numbers[$0.place] }
        for case let number? in numbers { watched.announce(number) }
        let time = try measure { () throws(MachineError) in
            try machine.changeMemory(removing: removing, adding: adding, parked: isParked)
        }
        for (change, number) in zip(changes, numbers) {
            contents[change.place] = change.content
            if let number { watched.show(Self.sight(change.content), at: number) }
        }
        return time
    }

    // MARK: Places and pages

    /// Where a page is at the start.
    private static func place(ofPage page: Int) -> Int { page + page / 4 }

    private static func range(_ place: Int) -> GuestRange {
        .page(at: AddressMap.standard.apertures.low.first.rawValue + UInt64(place) << Page.shift)
    }

    private static func sight(_ content: Content?) -> WatchedPlaces.Sight {
        content.map { .memory(Label(number: $0.page).word, $0.access) } ?? .absent
    }
}
