internal import Memslots
internal import SeededRandom

/// A source of random operations, valid and invalid. They use few ids and few pages, so that they get into each other's way.
struct RandomOperations {
    var random: SplitMix64
    let base: UInt64
    let limits: SlotLimits
    let missingAddressSpace: UInt32
    let features: Set<FuzzFeature>

    private static let ids: UInt32 = 24
    /// The regions in which slots lie: at the bottom, in the hole for devices, around the page of the local APIC, on both sides
    /// of 4 GiB, and at the end of the address space (the last 0, in place of which the end is computed).
    private static let regions: [UInt64] = [0, 0xd000_0000, 0xff00_0000, 0xfedf_4000, 0x1_0000_0000, 0]
    private static let pagesOfRegion: UInt64 = 24

    /// Makes the next operation on the slots of `table`. If KVM has KVM_SET_USER_MEMORY_REGION2, half of the requests use it.
    mutating func next(on table: MemslotTable) -> FuzzOperation {
        let operation = operation(on: table)
        guard features.contains(.region2), case .request(var request) = operation, number(2) == 0 else {
            return operation
        }
        request.guestMemory = GuestMemfdPlace(
            file: [0: .closed, 1: .foreign][number(16)] ?? .own,
            offset: number(FuzzMemory.guestSize >> Page.shift) << Page.shift)
        switch number(20) {
        case 0: request.guestMemory?.offset |= 1 + number(4095)
        case 1: request.guestMemory?.offset = .max << (12 + number(52))
        default: break
        }
        // Most requests for guest_memfd have no other flag, because KVM would refuse them.
        if number(2) == 0 { request.flags = (number(8) == 0 ? request.flags : 0) | GuestMemfdPlace.flag }
        return .request(request)
    }

    private mutating func operation(on table: MemslotTable) -> FuzzOperation {
        switch number(100) {
        case 0..<2: return .read(GuestAddress(page(below: 4)))
        case 2..<6: return .request(anything())
        case 6..<40: return .request(anything(id: unusedID(in: table)))
        case 40..<50: return .request(broken(anything()))
        default: break
        }
        // The other half of the operations concern a slot that exists.
        let id = SlotID(number(UInt64(Self.ids)))
        guard let slot = table[id] else { return .request(anything(id: UInt32(id))) }
        var request = FuzzRequest(holding: slot, base: base)
        switch number(50) {
        case 0..<18:
            request.size = 0
            // KVM ignores the addresses of a delete, but they have to be aligned.
            if number(2) == 0 { request.guestAddress = page(below: UInt64(Self.regions.count)) }
        case 18..<30:
            // A move to another place, or to one that overlaps the slot's own.
            request.guestAddress =
                number(3) == 0
                ? request.guestAddress &+ (number(5) << Page.shift) &- 2 << Page.shift
                : page(below: UInt64(Self.regions.count))
        case 30..<36: request.flags ^= SlotFlags.logDirtyPages.rawValue
        case 36..<38: break
        case 38..<44: alter(&request)
        case 44..<48: request = neighbour(of: slot)
        default: request = broken(request)
        }
        return .request(request)
    }

    // MARK: Kinds

    private mutating func anything(id: UInt32? = nil) -> FuzzRequest {
        FuzzRequest(
            slot: id ?? UInt32(number(UInt64(Self.ids))), flags: UInt32(number(4)),
            guestAddress: page(below: UInt64(Self.regions.count)), size: number(5) << Page.shift, host: memory())
    }

    /// Changes a property that a slot keeps until it is deleted: size, host address, or read-only.
    private mutating func alter(_ request: inout FuzzRequest) {
        switch number(3) {
        case 0: request.size &+= (number(2) == 0 ? 1 : .max) << Page.shift
        case 1: request.host = memory()
        default: request.flags ^= SlotFlags.readOnly.rawValue
        }
    }

    /// Makes a request for a slot that touches another slot, or overlaps it by a page.
    private mutating func neighbour(of slot: Memslot) -> FuzzRequest {
        var request = anything()
        request.size = (1 + number(3)) << Page.shift
        let overlap = number(2) << Page.shift
        request.guestAddress =
            number(2) == 0
            ? slot.range.last.rawValue &+ 1 &- overlap : slot.range.first.rawValue &- request.size &+ overlap
        return request
    }

    /// Puts something impossible into a request.
    private mutating func broken(_ request: FuzzRequest) -> FuzzRequest {
        var request = request
        let end = limits.hostAddressLimit
        switch number(14) {
        case 0: request.flags |= 1 << UInt32(2 + number(30))
        case 1: request.slot = id(outside: UInt32(limits.userSlots + limits.privateSlots))
        case 2: request.slot |= (missingAddressSpace + UInt32(number(3))) << 16
        case 3: request.size |= 1 + number(4095)
        case 4: request.guestAddress |= 1 + number(4095)
        case 5: request.host = .memory(number(FuzzMemory.size) | 1)
        case 6: request.host = .absolute(end &- (number(3) << Page.shift))
        case 7: request.host = .absolute(.max << (12 + number(52)))
        case 8: request.size = .max << (12 + number(52))
        case 9: request.guestAddress = .max << (12 + number(52))
        case 10:
            request.guestAddress = 0 &- ((1 + number(4)) << Page.shift)
            request.size = number(6) << Page.shift
        case 11:
            // A slot with more pages than KVM allows. Everything else about it is right.
            request = FuzzRequest(
                slot: request.slot, guestAddress: 1 << 44, size: (SlotLimits.maximumPages + 1) << Page.shift,
                host: .absolute(0))
        case 12:
            request.guestAddress = limits.highestGuestAddress.rawValue &+ 1 &- (number(3) << Page.shift)
            request.size = (1 + number(3)) << Page.shift
        default:
            request.slot = UInt32(number(UInt64(Self.ids)))
            request.size = 0
        }
        return request
    }

    // MARK: Numbers

    private mutating func number(_ limit: UInt64) -> UInt64 {
        UInt64.random(in: 0..<limit, using: &random)
    }

    /// Chooses an id that is not in use, if one is easily found.
    private mutating func unusedID(in table: MemslotTable) -> UInt32 {
        var id = UInt32(number(UInt64(Self.ids)))
        for _ in 0..<4 where table[SlotID(id)] != nil { id = (id + 7) % Self.ids }
        return id
    }

    /// Chooses a page in one of the first `regions` regions.
    private mutating func page(below regions: UInt64) -> UInt64 {
        let region = Int(number(regions))
        let pages = Self.pagesOfRegion << Page.shift
        let start =
            region == Self.regions.count - 1 ? limits.highestGuestAddress.rawValue &+ 1 &- pages : Self.regions[region]
        return start &+ number(Self.pagesOfRegion) << Page.shift
    }

    private mutating func memory() -> FuzzRequest.Host {
        .memory(number(FuzzMemory.pages - 4) << Page.shift)
    }

    /// Chooses an id at or above the limit, within the 16 bits to which KVM cuts an id.
    private mutating func id(outside limit: UInt32) -> UInt32 {
        limit + UInt32(number(2) == 0 ? number(4) : number(UInt64(0x1_0000 - limit)))
    }
}
