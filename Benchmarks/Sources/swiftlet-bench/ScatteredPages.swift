import Floor
import Images
import Machine
import Memslots
import SeededRandom

/// One-page slots at random guest addresses above 4 GiB, for the floor in C and for Swiftlet.
struct ScatteredPages {
    enum Order: String, CaseIterable {
        case byAddress = "by address"
        case random = "random order"
    }

    /// The slots, in the order in which either side gets them.
    let slots: [floor_slot]
    let mappings: [Mapping]

    var count: Int { slots.count }
    var ranges: [GuestRange] { mappings.map(\.range) }

    /// The area of all slots. Each has at least one free page behind it, so that moving by a page makes none overlap.
    static let area = range(4 << 30, size: 1 << 40)
    private static let stride: UInt64 = 4

    /// Chooses the slots.
    ///
    /// - Parameters:
    ///   - backing: The beginning of the memory that they map.
    ///   - firstID: The id of the first slot, which by default follows that of the RAM.
    init(
        count: Int, order: Order = .byAddress, backing: Backing = Backing(offset: 0), firstID: Int = 1, seed: UInt64 = 1
    ) {
        var random = SplitMix64(seed: seed)
        let places = Self.area.size / Page.size / Self.stride
        var chosen = Set<UInt64>()
        while chosen.count < count {
            chosen.insert(UInt64.random(in: 0..<places, using: &random))
        }
        var addresses = chosen.sorted().map { Self.area.first.rawValue + $0 * Self.stride * Page.size }
        if order == .random {
            addresses.shuffle(using: &random)
        }
        slots = addresses.enumerated().map { number, address in
            floor_slot(
                id: UInt32(firstID + number), flags: 0, guest: address, size: Page.size,
                offset: UInt64(number) * Page.size)
        }
        mappings = slots.map { slot in
            Mapping(
                range: Self.range(slot.guest, size: slot.size),
                backing: Backing(id: backing.id, offset: backing.offset + slot.offset),
                owner: .bar(function: 0x20, number: 2))
        }
    }

    static func range(_ first: UInt64, size: UInt64) -> GuestRange {
        guard let range = GuestRange(first: GuestAddress(first), size: size) else {
            preconditionFailure("\(size) bytes at \(first)")
        }
        return range
    }
}

extension [floor_slot] {
    /// The same slots, a page higher.
    var moved: [floor_slot] {
        map { slot in
            var slot = slot
            slot.guest += Page.size
            return slot
        }
    }

    func with(flags: UInt32) -> [floor_slot] {
        map { slot in
            var slot = slot
            slot.flags = flags
            return slot
        }
    }
}

extension [Mapping] {
    /// The same mappings, a page higher.
    var moved: [Mapping] {
        map { mapping in
            var mapping = mapping
            mapping.range = ScatteredPages.range(mapping.range.first.rawValue + Page.size, size: mapping.range.size)
            return mapping
        }
    }
}

extension GuestMachine {
    /// The beginning of a machine's first allocation: its second memory file, which follows that of the RAM.
    static let spareBacking = Backing(id: 1, offset: 0)

    /// Makes a machine with 2 MiB of RAM, and with spare memory that is already allocated from `backing` on.
    static func forBenchmark(
        code: [UInt8] = [0xf4], mode: CPUMode = .real, spareMemory: UInt64 = 0, policy: SlotPolicy = .separate
    ) throws -> (machine: GuestMachine, backing: Backing) {
        let image = try Image.flat(byteCount: code.count, at: MachineConfiguration.defaultLoadAddress)
        let machine = try GuestMachine(
            MachineConfiguration(mode: mode, spareMemory: spareMemory, policy: policy), image: image, bytes: code,
            consoleOutput: { _, _ in })
        let backing = spareMemory == 0 ? spareBacking : try machine.allocate(spareMemory)
        precondition(backing == spareBacking)
        return (machine, backing)
    }
}

/// Guests of a few bytes, which are loaded and started at 0x10000.
enum TinyGuest {
    /// Returns a guest that reads a port `count` times, in protected mode:
    /// `mov ecx, count; 1: in al, 0xe9; loop 1b; mov al, 0; out 0xf4, al`.
    static func portReads(_ count: Int) -> [UInt8] {
        [0xb9] + bytes(count) + [0xe4, 0xe9, 0xe2, 0xfc, 0xb0, 0x00, 0xe6, 0xf4]
    }

    /// Returns a guest that reads a device's memory `count` times, in protected mode:
    /// `mov ebx, address; mov ecx, count; 1: mov eax, [ebx]; loop 1b; mov al, 0; out 0xf4, al`.
    static func memoryReads(_ count: Int, at address: Int = 0xff00_0000) -> [UInt8] {
        [0xbb] + bytes(address) + [0xb9] + bytes(count) + [0x8b, 0x03, 0xe2, 0xfc, 0xb0, 0x00, 0xe6, 0xf4]
    }

    /// Returns a guest that writes 1 to a device's memory `count` times, in protected mode. The device interrupts the guest at
    /// a vector for each write, and the guest waits for the interrupt.
    static func interrupts(_ count: Int, at address: Int, vector: UInt8) -> [UInt8] {
        let (start, gates, stack, apic) = (0x10000, 0x12000, 0x20000, 0xfee0_0000)
        func store(_ value: Int, _ address: Int) -> [UInt8] { [0xc7, 0x05] + bytes(address) + bytes(value) }
        // sti; mov dword [address], 1; 1: pause; jmp 1b
        let once = [0xfb] + store(1, address) + [0xf3, 0x90, 0xeb, 0xfc]
        // The handler does not return, because KVM's emulator has no iret in protected mode. It is the APIC's EOI; mov esp,
        // stack; loop to `once`; mov al, 0; out 0xf4, al.
        let handler =
            store(0, apic + 0xb0) + [0xbc] + bytes(stack) + [0xe2, UInt8(truncatingIfNeeded: -once.count - 17)]
            + [0xb0, 0x00, 0xe6, 0xf4]
        let gate = gates + 8 * Int(vector)
        func code(handlerAt: Int, tableAt: Int) -> [UInt8] {
            // lgdt, lidt, the gate, the APIC's spurious vector register, mov esp, mov ecx, and the loop
            [0x0f, 0x01, 0x15] + bytes(tableAt + 24) + [0x0f, 0x01, 0x1d] + bytes(tableAt + 30)
                + store(0x8_0000 | handlerAt & 0xffff, gate) + store(handlerAt & ~0xffff | 0x8e00, gate + 4)
                + store(0x1ff, apic + 0xf0) + [0xbc] + bytes(stack) + [0xb9] + bytes(count)
                + once
        }
        let handlerAt = start + code(handlerAt: 0, tableAt: 0).count
        let tableAt = handlerAt + handler.count
        // The GDT with flat code and data of 32 bits, then the limits and addresses of GDT and IDT.
        let table: [UInt8] =
            [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0, 23, 0]
            + bytes(tableAt) + [0xff, 0x07] + bytes(gates)
        return code(handlerAt: handlerAt, tableAt: tableAt) + handler + table
    }

    private static func bytes(_ count: Int) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
    }

    /// A guest in real mode that spins until the byte at `stopFlag` is set:
    /// `1: cmp byte ptr [0x100], 0; je 1b; mov al, 0; out 0xf4, al`.
    static let spinner: [UInt8] = [0x80, 0x3e, 0x00, 0x01, 0x00, 0x74, 0xf9, 0xb0, 0x00, 0xe6, 0xf4]
    static let stopFlag: UInt64 = 0x10100
}
