import Board
import Firmware
import Images
import KVM
import Layouts
import Memslots
import Testing

@testable import Machine

@Suite("RAM around the hole, and the state in which guests start")
struct StartStateTests {
    @Test("RAM up to 3 GiB is one piece; the rest lies from 4 GiB on, and the hole stays free")
    func ramLayout() {
        #expect(RAMLayout(memory: 4096).ranges == [GuestRange(at: 0, size: 4096)])
        #expect(RAMLayout(memory: 3 << 30).ranges == [GuestRange(at: 0, size: 3 << 30)])
        let five = RAMLayout(memory: 5 << 30).mappings(of: Backing(offset: 0))
        #expect(five.map(\.range) == [GuestRange(at: 0, size: 3 << 30), GuestRange(at: 4 << 30, size: 2 << 30)])
        #expect(five.map(\.backing.offset) == [0, 3 << 30])
        #expect(RAMLayout(memory: .max & ~4095).end == .max)
    }

    @Test("no piece of RAM has more pages than a slot may")
    func hugeRAM() {
        let mappings = RAMLayout(memory: 40 << 40).mappings(of: Backing(offset: 0))
        #expect(mappings.allSatisfy { $0.range.pages <= SlotLimits.maximumPages })
        #expect(mappings.reduce(0) { $0 + $1.range.size } == 40 << 40)
    }

    @Test("real mode starts at the entry's segment")
    func realMode() throws {
        let state = try start(.real, entry: 0x12340)
        var system = SystemRegisters()
        state.apply(to: &system)
        #expect(system.cs.selector == 0x1234 && system.cs.base == 0x12340)
        #expect(state.registers.rip == 0)
        #expect(state.bootData.isEmpty)
    }

    @Test(
        "an entry out of the reach of real mode is refused",
        arguments: [0x10008, 1 << 20, 0xffff_ffff_ffff_fff0] as [UInt64])
    func realModeEntry(entry: UInt64) {
        #expect(throws: MachineError.self) { try start(.real, entry: entry) }
    }

    @Test("protected mode has flat 32-bit segments and no paging; an entry above 4 GiB is refused")
    func protectedMode() throws {
        let state = try start(.protected, entry: 0x10_0000)
        var system = SystemRegisters()
        state.apply(to: &system)
        #expect(system.cs.is32Bit && !system.cs.is64Bit && system.cs.limit == .max)
        #expect(system.cr0 & 1 << 31 == 0)
        #expect(state.registers.rip == 0x10_0000)
        #expect(throws: MachineError.self) { try start(.protected, entry: 1 << 32) }
    }

    @Test("the page tables of long mode map every address below the end of RAM to itself", arguments: [false, true])
    func identityMap(hasGigabytePages: Bool) throws {
        for memory in [UInt64(2 << 20), 3 << 30, 5 << 30, 8 << 30, 20 << 30] {
            let ram = RAMLayout(memory: memory)
            let state = try StartState(
                mode: .long, entry: GuestAddress(0x10000), ram: ram, vcpus: 1, hasGigabytePages: hasGigabytePages)
            let tables = GuestTables(state)
            for address in [0, 0x10000, ram.low - 1, 0xc000_0000, 0xfee0_0000, 4 << 30, ram.end - 1, ram.end]
                as [UInt64]
            {
                #expect(tables.translate(address) == address, "\(hexadecimal(address)) of \(memory)")
            }
            #expect(state.bootData.allSatisfy { $0.address.rawValue + UInt64($0.bytes.count) <= ram.low })
        }
    }

    @Test("the registers say how large the machine is")
    func registers() throws {
        let state = try StartState(
            mode: .long, entry: GuestAddress(0x10000), ram: RAMLayout(memory: 5 << 30), vcpus: 3,
            hasGigabytePages: false)
        #expect(state.registers.rdi == 3 << 18 && state.registers.rsi == 2 << 18 && state.registers.rdx == 3)
    }

    private func start(_ mode: CPUMode, entry: UInt64) throws -> StartState {
        try StartState(
            mode: mode, entry: GuestAddress(entry), ram: RAMLayout(memory: 2 << 20), vcpus: 1, hasGigabytePages: false)
    }
}

/// Walks the page tables in a start state's boot data as a processor does (SDM volume 3A, 4.5).
private struct GuestTables {
    private var words: [UInt64: UInt64] = [:]
    private let root: UInt64

    init(_ state: StartState) {
        var system = SystemRegisters()
        state.apply(to: &system)
        root = system.cr3
        for data in state.bootData {
            for (number, start) in stride(from: 0, to: data.bytes.count, by: 8).enumerated() {
                let bytes = data.bytes[start..<min(start + 8, data.bytes.count)]
                words[data.address.rawValue + UInt64(number * 8)] = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
            }
        }
    }

    func translate(_ address: UInt64) -> UInt64? {
        var table = root
        for level in stride(from: UInt64(39), through: 12, by: -9) {
            guard let entry = words[table + (address >> level & 0x1ff) * 8], entry & 1 == 1 else { return nil }
            if entry & 0x80 != 0 {
                return (entry & ~0xfff) + address & ((1 << level) - 1)
            }
            table = entry & ~0xfff
        }
        return nil
    }
}
