import Devices
import Fuzzing
import Memslots
import PCI

/// A few functions that are as different as they can be, and what they decode.
struct Bus {
    private var root = RootComplex()
    private var memory: DecodedMemory
    /// What the changes add up to.
    private var regions: Set<DecodedRegion> = []

    private static let addresses = [0x08, 0x20, 0x21, 0xff07].map { FunctionAddress(requesterID: $0) }
    private static let descriptions = [plain, rich, full, rich]
    private static let reserved = [range(0...0xf_ffff), range(0xe001_0000...0xe001_0fff)]

    init(policy: DecodePolicy) {
        memory = DecodedMemory(reserved: Self.reserved, policy: policy)
        for (address, description) in zip(Self.addresses, Self.descriptions) {
            insert(description, at: address)
        }
    }

    private mutating func insert(_ description: FunctionDescription, at address: FunctionAddress) {
        do throws(DescriptionError) {
            try root.insert(description, at: address)
        } catch {
            fatalError("\(address): \(error)")
        }
    }

    // MARK: Steps

    /// What the program does next: the low bits of a byte say what, the high bits to which function.
    mutating func step(_ program: inout Program) {
        let operation = program.byte()
        let number = Int(operation >> 6)
        let address = Self.addresses[number]
        switch operation & 15 {
        case 0...5: writeRegister(of: address, &program)
        case 6: writeAnywhere(&program)
        case 7...8: writePort(&program)
        case 9...11: access(operation & 15 == 9 ? .port : .memory, &program)
        case 12: raise(program.number(bytes: 2), of: address)
        case 13: reset(address)
        case 14: plug(Self.descriptions[number], at: address)
        default: readEverywhere(&program)
        }
    }

    /// A doubleword of the header or a capability, by ECAM.
    private mutating func writeRegister(of address: FunctionAddress, _ program: inout Program) {
        let register = UInt64(program.byte() & 31) << 2
        let value = program.number(bytes: 4)
        apply(root.writeECAM(value, at: UInt64(address.requesterID) << 12 | register, width: .doubleword))
    }

    private mutating func writeAnywhere(_ program: inout Program) {
        let (offset, width) = (program.number(bytes: 4), program.width())
        apply(root.writeECAM(program.number(bytes: 8), at: offset, width: width))
    }

    private mutating func writePort(_ program: inout Program) {
        let (offset, width) = (UInt64(program.byte() & 15), program.width())
        _ = root.readPort(at: offset, width: width)
        apply(root.writePort(program.number(bytes: 4), at: offset, width: width))
    }

    private enum Space { case port, memory }

    /// A read and a write of what may be trapped.
    private mutating func access(_ space: Space, _ program: inout Program) {
        let (address, width) = (program.number(bytes: space == .port ? 2 : 8), program.width())
        let place =
            space == .port
            ? root.trappedPort(address, width: width) : memory.trapped(at: GuestAddress(address), width: width)
        guard let place else { return }
        let size = root[place.owner.function]?.description.size(of: place.owner.register) ?? 0
        expect(
            place.offset < size && UInt64(width.rawValue) <= size - place.offset,
            "\(width) at \(place.offset) is not in \(place.owner)")
        expect(root.readTrapped(place, width: width) & ~width.allOnes == 0, "more bits than \(width)")
        send(root.writeTrapped(program.number(bytes: 8), place, width: width))
    }

    private mutating func raise(_ vector: UInt64, of address: FunctionAddress) {
        send(root.raise(vector: vector, of: address).map { [$0] } ?? [])
    }

    private mutating func reset(_ address: FunctionAddress) {
        root.reset(address)
        take(memory.remove(address))
    }

    private mutating func plug(_ description: FunctionDescription, at address: FunctionAddress) {
        if root.remove(address) {
            take(memory.remove(address))
        } else {
            insert(description, at: address)
        }
    }

    private func readEverywhere(_ program: inout Program) {
        let (offset, width) = (program.number(bytes: 4), program.width())
        expect(root.readECAM(at: offset, width: width) & ~width.allOnes == 0, "more bits than \(width)")
    }

    // MARK: What comes of them

    private mutating func apply(_ write: ConfigWrite?) {
        guard let write else { return }
        send(write.change.messages)
        guard write.change.affectsDecodedMemory, let function = root[write.function] else { return }
        take(memory.update(function))
    }

    private func send(_ messages: [MSIMessage]) {
        for message in messages {
            expect(message.address & 3 == 0, "a message to \(message.address)")
        }
    }

    private mutating func take(_ change: DecodedMemory.Change) {
        for region in change.removed {
            expect(regions.remove(region) != nil, "\(region) is removed and was not there")
        }
        for region in change.added {
            expect(regions.insert(region).inserted, "\(region) is added and was there")
        }
        if !change.isEmpty {
            check()
        }
    }

    private func check() {
        let now = memory.regions
        expect(now.count == regions.count && now.allSatisfy(regions.contains), "\(regions) is not \(now)")
        for (left, right) in zip(now, now.dropFirst()) {
            expect(left.range.last < right.range.first, "\(left) and \(right) overlap, or are out of order")
        }
        for region in now {
            expect(!Self.reserved.contains { $0.overlaps(region.range) }, "\(region) is in a reserved range")
            expect(region.range.last <= DecodedRegion.highestAddress, "\(region) cannot be reached")
        }
    }

    /// With strict decode, what is decoded follows from the registers alone; lazy decode leaves mapped regions besides.
    func checkAgainstRegisters() {
        check()
        var fresh = DecodedMemory(reserved: Self.reserved)
        for function in root.addresses.compactMap({ root[$0] }) {
            _ = fresh.update(function)
        }
        let wanted = Set(fresh.regions)
        expect(wanted.isSubset(of: regions), "\(wanted.subtracting(regions)) should be decoded")
        let rest = regions.subtracting(wanted)
        expect(rest.allSatisfy { memory.policy == .lazy && $0.kind == .mapped }, "\(rest) should not be decoded")
    }
}

extension Program {
    fileprivate mutating func width() -> AccessWidth {
        AccessWidth.allCases[Int(byte()) % AccessWidth.allCases.count]
    }
}
