import Foundation
import Host
import LiveSupport
import Memslots
import PCI
import Testing

@testable import Machine

/// Memory that somebody else holds too.
@Suite("Foreign memory", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ForeignBackingLiveTests {
    private static let address = FunctionAddress(device: 1)
    private static let base: UInt32 = 0xd000_0000

    /// BAR 0 shows a part of a backing.
    private struct ForeignFunction: FunctionModel {
        let description = FunctionDescription(
            vendorID: 0x1af4, deviceID: 0x10f4, bars: [0: BARDescription(kind: .memory32, size: 0x2000)])
        let memory: Backing

        func backing(of piece: BARPiece, in register: BaseAddressRegister) -> Backing? {
            Backing(id: memory.id, offset: memory.offset + piece.offsets.lowerBound)
        }
    }

    private func file(_ size: UInt64) throws -> MemoryFile {
        var file = try MemoryFile(name: "foreign")
        try file.resize(to: size)
        return file
    }

    private func guest(_ file: borrowing MemoryFile, size: UInt64, policy: SlotPolicy = .separate) throws -> TinyGuest {
        let code = GuestCode { code in
            code.load(Self.base + 8)
            code.keep(0)
            code.store(0x1122_3344, at: Self.base + 0x1004)
            code.load(Self.base + 0x1004)
            code.keep(1)
            code.exit(0)
        }
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration(policy: policy))
        let memory = try ForeignMemory(file, offset: 0x1000, size: size)
        let backing = guest.configuration.add(try ForeignBacking(memory))
        guest.configuration.functions = [Self.address: ForeignFunction(memory: backing)]
        return guest
    }

    @Test(
        "what the guest writes is in the file, and what is in the file the guest reads", arguments: SlotPolicy.allCases)
    func shared(policy: SlotPolicy) throws {
        let file = try file(0x4000)
        let machine = try guest(file, size: 0x2000, policy: policy).machine()
        let view = try ForeignMemory(file, offset: 0, size: 0x4000)
        let bytes: [UInt8] = [0x0d, 0xf0, 0x0d, 0x60]
        let isWritten = view.write(bytes.span, at: 0x1008)
        #expect(isWritten)
        let report = try machine.run(timeout: .seconds(60))
        #expect(report.outcome == .exited(0))
        #expect(report.exits.mmio == 0)
        #expect(machine.results(2) == [0x600d_f00d, 0x1122_3344])
        // What cannot be copied cannot stand in an expectation.
        let written = view.read(count: 4, at: 0x2004)
        #expect(written == [0x44, 0x33, 0x22, 0x11])

        // The host's own accesses reach the same bytes.
        #expect(machine.read(count: 4, at: GuestAddress(UInt64(Self.base) + 0x1004)) == [0x44, 0x33, 0x22, 0x11])
        #expect(machine.write([7], at: GuestAddress(UInt64(Self.base) + 0x1fff)))
        let last = view.read(count: 1, at: 0x2fff)
        #expect(last == [7])
    }

    @Test("a file that is cut is no memory to read, and nobody dies", arguments: SlotPolicy.allCases)
    func cut(policy: SlotPolicy) throws {
        var file = try file(0x4000)
        let machine = try guest(file, size: 0x2000, policy: policy).machine()
        #expect(machine.read(count: 4, at: GuestAddress(UInt64(Self.base))) == [0, 0, 0, 0])
        try file.resize(to: 0x1000)
        #expect(machine.read(count: 4, at: GuestAddress(UInt64(Self.base))) == nil)
        // The guest reads all ones, or KVM says that there is no memory.
        let report = try machine.run(timeout: .seconds(60))
        switch report.outcome {
        case .exited(0), .kvmFailure: break
        default: Issue.record("\(report.outcome)")
        }
    }

    @Test("a backing that ends before the piece is refused, both named", arguments: [true, false])
    func tooSmall(isAssigned: Bool) throws {
        let file = try file(0x2000)
        var guest = try guest(file, size: 0x1000)
        guest.configuration.assignsAddresses = isAssigned
        let error = #expect(throws: MachineError.self) { _ = try guest.machine() }
        guard case .description(Self.address, .backingTooSmall(let owner, let piece, let backing, let size)) = error
        else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(owner == BAROwner(function: Self.address, register: .bar(0)) && piece.size == 0x2000)
        #expect(backing.id == 2 && size == 0x1000)
        #expect("\(try #require(error))".contains("BAR 0"))
    }

    @Test("a backing that does not exist is refused at once", arguments: [true, false])
    func missing(isAssigned: Bool) throws {
        var guest = TinyGuest(code: TinyGuest.exit(0), configuration: GuestCode.configuration())
        guest.configuration.functions = [Self.address: ForeignFunction(memory: Backing(id: 7, offset: 0))]
        guest.configuration.assignsAddresses = isAssigned
        let error = #expect(throws: MachineError.self) { _ = try guest.machine() }
        guard case .description(Self.address, .backingTooSmall(_, _, let backing, let size)) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(backing.id == 7 && size == 0)
    }

    @Test("the file of RAM that is shared keeps its size, whoever has it")
    func sealed() throws {
        var guest = TinyGuest(code: TinyGuest.exit(0), configuration: MachineConfiguration())
        // No other machine of the tests has as much.
        let size: UInt64 = 2 << 20 | 0x5000
        guest.configuration.memory = size
        guest.configuration.sharesMemory = true
        let machine = try guest.machine()
        var found = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            let path = "/proc/self/fd/\(name)"
            guard let link = try? FileManager.default.destinationOfSymbolicLink(atPath: path),
                link.contains("swiftlet-ram"), let file = FileHandle(forUpdatingAtPath: path),
                try file.seekToEnd() == size
            else { continue }
            found += 1
            #expect(throws: (any Error).self) { try file.truncate(atOffset: size - 0x1000) }
            #expect(throws: (any Error).self) { try file.truncate(atOffset: size + 0x1000) }
            #expect(try file.seekToEnd() == size)
            try file.close()
        }
        #expect(found == 1)
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
    }
}
