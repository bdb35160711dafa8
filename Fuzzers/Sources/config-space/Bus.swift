import Devices
import Fuzzing
import Memslots
import PCI
import PCISupport

/// A few functions that differ as much as possible, and the regions that they decode.
struct Bus {
    private var root: RootComplex
    /// The regions that the changes so far add up to.
    private var regions: Set<DecodedRegion> = []

    private static let addresses = [0x08, 0x20, 0x21, 0xff07, 0x40, 0x100, 0x108, 0x200]
        .map { FunctionAddress(requesterID: $0) }
    private static let descriptions = [plain, rich, full, rich, ports[0], ports[1], rich, plain]
    private static let reserved = [range(0...0xf_ffff), range(0xe001_0000...0xe001_0fff)]

    init(policy: DecodePolicy) {
        guard let bridges = try? BridgeTree(Dictionary(uniqueKeysWithValues: zip(Self.addresses, Self.descriptions)))
        else {
            fatalError("the bridges are a tree")
        }
        root = RootComplex(reserved: Self.reserved, policy: policy, bridges: bridges)
        for (address, description) in zip(Self.addresses, Self.descriptions) {
            insert(description, at: address)
            guard let bridge = description.bridge else { continue }
            let numbers = UInt64(bridge.subordinate) << 16 | UInt64(bridge.secondary) << 8 | UInt64(address.bus)
            let offset = RootComplex.ecamOffset(of: address, register: 0x18)
            apply { $0.writeECAM(numbers, at: offset, width: .doubleword) }
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

    /// Does the next step of the program. The low four bits of a byte choose the operation. The highest two bits choose one of
    /// four functions, and bit 5 whether these are the first or the last four. If bits 4 and 5 are set, guest memory refuses
    /// changes of decode.
    mutating func step(_ program: inout Program) {
        let operation = program.byte()
        root.agrees = operation & 0x30 != 0x30
        let number = Int(operation >> 6) + (operation & 0x20 != 0 ? 4 : 0)
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

    /// Writes a doubleword of the header or of a capability, by ECAM.
    private mutating func writeRegister(of address: FunctionAddress, _ program: inout Program) {
        let register = UInt64(program.byte() & 31) << 2
        let value = program.number(bytes: 4)
        let offset = RootComplex.ecamOffset(of: address, register: register)
        apply { $0.writeECAM(value, at: offset, width: .doubleword) }
    }

    private mutating func writeAnywhere(_ program: inout Program) {
        let (offset, width) = (program.number(bytes: 4), program.width())
        let value = program.number(bytes: 8)
        apply { $0.writeECAM(value, at: offset, width: width) }
    }

    private mutating func writePort(_ program: inout Program) {
        let (offset, width) = (UInt64(program.byte() & 15), program.width())
        _ = root.readPort(at: offset, width: width)
        let value = program.number(bytes: 4)
        apply { $0.writePort(value, at: offset, width: width) }
    }

    private enum Space { case port, memory }

    /// Reads and writes an address that may be trapped.
    private mutating func access(_ space: Space, _ program: inout Program) {
        let (address, width) = (program.number(bytes: space == .port ? 2 : 8), program.width())
        let place =
            space == .port
            ? root.trappedPort(address, width: width) : root.memory.trapped(at: GuestAddress(address), width: width)
        guard let place else { return }
        let size = root[place.owner.function]?.description.size(of: place.owner.register) ?? 0
        expect(
            place.offset < size && UInt64(width.rawValue) <= size - place.offset,
            "\(width) at \(place.offset) is not in \(place.owner)")
        expect(root.readTrapped(place, width: width) & ~width.allOnes == 0, "more bits than \(width)")
        send(root.writeTrapped(program.number(bytes: 8), place, width: width).messages)
    }

    private mutating func raise(_ vector: UInt64, of address: FunctionAddress) {
        send(root.raise(vector: vector, of: address).map { [$0] } ?? [])
    }

    private mutating func reset(_ address: FunctionAddress) {
        take(root.reset(address))
    }

    private mutating func plug(_ description: FunctionDescription, at address: FunctionAddress) {
        if let change = root.remove(address) {
            take(change)
        } else {
            insert(description, at: address)
        }
    }

    private mutating func readEverywhere(_ program: inout Program) {
        let (offset, width) = (program.number(bytes: 4), program.width())
        expect(root.readECAM(at: offset, width: width) & ~width.allOnes == 0, "more bits than \(width)")
    }

    // MARK: What comes of them

    /// Makes a write of configuration space, and takes over the change of decoded memory. A refused change of decode must leave
    /// the function and decoded memory as they were.
    private mutating func apply(_ access: (inout RootComplex) -> RootComplex.Write?) {
        let before = root.agrees ? nil : root
        guard let write = access(&root) else { return }
        send(write.outcome.messages)
        if let change = write.change { take(change) }
        guard write.isRefused else { return }
        expect(write.isEmpty == false && write.outcome == AccessOutcome(), "a refused write leads to \(write.outcome)")
        guard let old = before?[write.function], let new = root[write.function], let memory = before?.memory else {
            fatalError("\(write.function) has gone")
        }
        for register in stride(from: 0, to: ConfigSpace.size, by: 4) {
            let values = (old.peek(at: register, width: .doubleword), new.peek(at: register, width: .doubleword))
            expect(values.0 == values.1, "refused: \(write.function) has \(values.1) at \(register), not \(values.0)")
        }
        expect(old.decodedRegions == new.decodedRegions, "refused: \(write.function) decodes \(new.decodedRegions)")
        expect(memory.regions == root.memory.regions, "refused: \(memory.regions) became \(root.memory.regions)")
        expect(memory.hiddenCount == root.memory.hiddenCount, "refused: other regions are hidden")
        check()
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
        let now = root.memory.regions
        expect(now.count == regions.count && now.allSatisfy(regions.contains), "\(regions) is not \(now)")
        for (left, right) in zip(now, now.dropFirst()) {
            expect(left.range.last < right.range.first, "\(left) and \(right) overlap, or are out of order")
        }
        for region in now {
            expect(!Self.reserved.contains { $0.overlaps(region.range) }, "\(region) is in a reserved range")
            expect(region.range.last <= DecodedRegion.highestAddress, "\(region) cannot be reached")
        }
    }

    /// Checks the decoded regions against the registers. With strict decode, they follow from the registers alone. With lazy
    /// decode, further mapped regions may remain.
    func checkAgainstRegisters() {
        check()
        guard let bridges = try? BridgeTree(Dictionary(uniqueKeysWithValues: zip(Self.addresses, Self.descriptions)))
        else { return }
        var fresh = DecodedMemory(reserved: Self.reserved, bridges: bridges)
        for function in root.addresses.compactMap({ root[$0] }) {
            _ = fresh.update(function)
        }
        let wanted = Set(fresh.regions)
        expect(wanted.isSubset(of: regions), "\(wanted.subtracting(regions)) should be decoded")
        let rest = regions.subtracting(wanted)
        expect(rest.allSatisfy { root.memory.policy == .lazy && $0.kind == .mapped }, "\(rest) should not be decoded")
    }
}

extension Program {
    fileprivate mutating func width() -> AccessWidth {
        AccessWidth.allCases[Int(byte()) % AccessWidth.allCases.count]
    }
}
