import Memslots

// Holds slots by KVM's rules, and tells what KVM would refuse and how many slots neighbours need. Needs no KVM.
guard let range = GuestRange(first: GuestAddress(0xd000_0000), size: Page.size),
    let next = GuestRange(first: GuestAddress(0xd000_1000), size: Page.size)
else { fatalError("these ranges end below 2^64") }
var table = MemslotTable(limits: SlotLimits(userSlots: 509, privateSlots: 3))
let create = try table.request(for: .create(range, host: 0x7f00_0000_0000, flags: .readOnly))
table.apply(try table.change(for: create))
do {
    let same = try table.request(for: .create(range, host: 0x7f00_0000_0000, flags: []))
    print("KVM would create another: \(try table.change(for: same))")
} catch {
    print("KVM would refuse: \(error)")
}

let mappings = [range, next].enumerated().map { number, range in
    let backing = Backing(offset: UInt64(1 - number) * Page.size)
    return Mapping(range: range, backing: backing, access: .readWrite, owner: .other(number))
}
for policy in SlotPolicy.allCases {
    let planned = PlannedSlots(mappings, policy: policy, apertures: [.everything])
    print("\(policy.rawValue): \(mappings.count) mappings, slots: \(planned.count)")
}
