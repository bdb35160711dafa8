internal import Board
internal import Machine
internal import Memslots
internal import SeededRandom

/// Pages of memory that are mapped at adjacent places in the guest, and the random changes of these mappings. At the start, one
/// place in five is free.
struct ChurnedMemory {
    private struct Content {
        /// The number of the page that is mapped at the place.
        var page: Int
        var access = Access.readWrite
        /// Whether KVM logs the pages that the guest writes.
        var logs = false
    }

    let machine: GuestMachine
    private let backings: [Backing]
    /// The content of each place. Nil if nothing is mapped there.
    private var contents: [Content?]
    /// The numbers of the pages that are mapped nowhere.
    private var idle: [Int] = []
    private(set) var watched: WatchedPlaces
    /// The number of each place among the watched places. Nil if the guest does not watch the place.
    private var numbers: [Int?] = []
    private var random: SplitMix64

    /// The largest number of places that the guest watches. With more, the guest would take too long to come back to a place.
    private static let mostWatched = 256

    /// Maps `slots` pages, each in a slot of its own, with a free place after every fourth and after the last.
    init(slots: Int, _ machine: GuestMachine, vcpus: Int, seed: UInt64) throws(MachineError) {
        let limit = machine.slots.limit - machine.slots.count
        guard (2...limit).contains(slots) else {
            throw .experiment("\(slots) slots: beside the guest's RAM there can be 2 to \(limit)")
        }
        self.machine = machine
        random = SplitMix64(seed: seed)
        backings = try (0..<slots).map { _ throws(MachineError) in try machine.allocate(Page.size) }
        contents =
            (0..<slots).flatMap { $0 > 0 && $0 % 4 == 0 ? [nil, Content(page: $0)] : [Content(page: $0)] } + [nil]
        watched = WatchedPlaces(machine, vcpus: vcpus)
        try machine.changeMemory(
            adding: contents.enumerated().compactMap { place, content in content.map { mapping(of: $0, at: place) } })
        let step = max(1, contents.count / Self.mostWatched)
        for (place, content) in contents.enumerated() {
            let address = Self.range(place).first
            if let content { _ = machine.write(Label(number: content.page).bytes, at: address) }
            numbers.append(place % step == 0 ? watched.add(address, showing: Self.state(content)) : nil)
        }
    }

    // MARK: Changes

    /// Makes one random change.
    ///
    /// - Returns: The kind of the change, whether the vCPUs were parked, and how long the change took.
    mutating func change() throws(MachineError) -> (ChurnResult.Kind, isParked: Bool, Duration) {
        let (kind, changes) = randomChange()
        let (isParked, machine) = (Bool.random(using: &random), machine)
        let time: Duration
        if kind == .flags, let (place, content) = changes.first {
            time = try measure { () throws(MachineError) in
                try machine.setDirtyLogging(content?.logs == true, in: Self.range(place), parked: isParked)
            }
        } else {
            let removing = changes.filter { contents[$0.place] != nil }.map { Self.range($0.place) }
            let adding = changes.compactMap { place, content in content.map { mapping(of: $0, at: place) } }
            let shown = changes.compactMap { place, content in numbers[place].map { ($0, Self.state(content)) } }
            time = try watched.change(shown) { () throws(MachineError) in
                try machine.changeMemory(removing: removing, adding: adding, parked: isParked)
            }
        }
        for (place, content) in changes { contents[place] = content }
        return (kind, isParked, time)
    }

    /// Chooses a random change.
    ///
    /// - Returns: The kind of the change, and the content that each changed place has after it.
    private mutating func randomChange() -> (ChurnResult.Kind, [(place: Int, content: Content?)]) {
        let place = Int.random(in: contents.indices, using: &random)
        guard var content = contents[place] else {
            if idle.count == backings.count || Bool.random(using: &random), let page = idle.popLast() {
                return (.create, [(place, Content(page: page))])
            }
            let from = randomPlace(isMapped: true)
            return (.move, [(from, nil), (place, contents[from])])
        }
        // One choice in three is a delete, so that a page or two are idle when a page is to be created.
        switch Int.random(in: 0..<6, using: &random) {
        case 0..<2:
            idle.append(content.page)
            return (.delete, [(place, nil)])
        case 2 where !idle.isEmpty:
            let index = Int.random(in: idle.indices, using: &random)
            swap(&idle[index], &content.page)
            return (.replace, [(place, Content(page: content.page))])
        case 3:
            content.access = content.access == .readOnly ? .readWrite : .readOnly
            return (.access, [(place, content)])
        case 4:
            content.logs.toggle()
            return (.flags, [(place, content)])
        default: return (.move, [(place, nil), (randomPlace(isMapped: false), content)])
        }
    }

    /// Chooses a random place: one where something is mapped, or a free one. There are always free places.
    private mutating func randomPlace(isMapped: Bool) -> Int {
        while true {
            let place = Int.random(in: contents.indices, using: &random)
            if (contents[place] != nil) == isMapped { return place }
        }
    }

    // MARK: Places and pages

    private static func range(_ place: Int) -> GuestRange {
        .page(at: AddressMap.standard.apertures.low.first.rawValue + UInt64(place) << Page.shift)
    }

    private func mapping(of content: Content, at place: Int) -> Mapping {
        Mapping(
            range: Self.range(place), backing: backings[content.page], access: content.access,
            owner: .other(content.page))
    }

    private static func state(_ content: Content?) -> WatchedPlaces.State {
        content.map { .memory(Label(number: $0.page).word, $0.access) } ?? .absent
    }
}
