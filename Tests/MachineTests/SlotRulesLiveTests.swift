import Host
import KVM
import LiveSupport
import Memslots
import PropertySupport
import Testing

@testable import Machine

/// The rules as `MemslotTable` has them, held against the KVM of this host.
@Suite("Slot rules and KVM", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct SlotRulesLiveTests {
    /// A virtual machine and a table that follows it.
    private struct Pair: ~Copyable {
        let vm: VirtualMachine
        let memory: MappedFile
        var table: MemslotTable
        /// The first address space that KVM does not have; with one for system management mode that is 2.
        let noAddressSpace: UInt32
        var accepted = 0

        init() throws {
            let system = try KVMSystem()
            let vm = try system.makeVirtualMachine()
            let memory = try MappedFile(name: "rules", capacity: 64 << 20)
            let highest = try HostProbe.highestGuestAddress(of: system)
            table = MemslotTable(
                limits: SlotLimits(
                    userSlots: vm.capability(.memslots), highestGuestAddress: GuestAddress(highest)))
            noAddressSpace = UInt32(max(1, vm.capability(.multipleAddressSpaces)))
            self.vm = vm
            self.memory = memory
        }

        /// Asks both; the difference in words, or nil where they agree.
        mutating func compare(_ request: SlotRequest) -> String? {
            let answer = vm.setMemoryRegion(
                slot: request.slot, flags: request.flags, guestAddress: request.guestAddress, size: request.size,
                hostAddress: request.hostAddress)
            do throws(SlotViolation) {
                let change = try table.change(for: request)
                guard answer == 0 else { return "\(request): predicted \(change), KVM says errno \(answer)" }
                table.apply(change)
                accepted += 1
            } catch {
                guard answer == error.rule.errno.rawValue else {
                    return "\(request): predicted \(error.rule), KVM says errno \(answer)"
                }
            }
            return nil
        }
    }

    @Test("each rule is KVM's: its errno comes where it is broken, and just at its edge nothing is refused")
    func eachRule() throws {
        var pair = try Pair()
        let host = pair.memory.address
        let limit = UInt32(pair.table.limit)
        let highest = pair.table.limits.highestGuestAddress.rawValue
        let end = pair.table.limits.hostAddressLimit
        func request(
            _ slot: UInt32 = 1, flags: UInt32 = 0, at guest: UInt64 = 0x10_0000, size: UInt64 = 0x2000, host: UInt64
        ) -> SlotRequest {
            SlotRequest(slot: slot, flags: flags, guestAddress: guest, size: size, hostAddress: host)
        }
        let requests = [
            request(flags: 4, host: host), request(flags: 1 << 31, host: host),
            request(size: 0x1001, host: host), request(at: 0x10_0800, host: host), request(host: host + 0x800),
            request(7, at: 0x70_0000, host: end - 0x2000), request(2, at: 0x40_0000, host: end - 0x1000),
            request(3, at: 0x50_0000, host: end),
            request(3, at: 0x50_0000, host: 1 << 63), request(3, at: 0x50_0000, host: .max - 0xfff),
            request(limit, host: host), request(limit + 5, host: host), request(0xffff, host: host),
            request(limit - 1, at: 0x60_0000, host: host),
            request(pair.noAddressSpace << 16 | 3, at: 0x50_0000, host: host),
            request(3, at: .max - 0xfff, size: 0x1000, host: host),
            request(3, at: .max - 0xfff, size: 0x2000, host: host),
            request(3, size: 1 << 43, host: 0), request(3, at: 1 << 44, size: (1 << 43) - 0x1000, host: host),
            request(9, size: 0, host: 0), request(9, at: 0x123, size: 0, host: 0),
            // Slot 1 is there from here on, at 0x100000.
            request(1, host: host), request(1, host: host),
            request(1, size: 0x3000, host: host), request(1, host: host + 0x1000), request(1, flags: 2, host: host),
            request(1, flags: 1, host: host), request(1, flags: 1, at: 0x10_1000, host: host),
            request(4, at: 0x10_2000, host: host), request(4, at: 0x10_0000, size: 0x1000, host: host),
            request(4, at: 0x10_3000, size: 0x1000, host: host),
            request(4, at: highest - 0xfff, size: 0x1000, host: host),
            request(5, at: highest - 0xfff, size: 0x2000, host: host),
            request(5, at: highest + 1, size: 0x1000, host: host),
            request(1, at: 0xdead_0000, size: 0, host: 0), request(1, size: 0, host: 0),
        ]
        for request in requests {
            let difference = pair.compare(request)
            #expect(difference == nil)
        }
        #expect(pair.accepted > 8)
    }

    @Test(
        "random requests, valid and invalid, get the verdict and the errno that the rules predict",
        arguments: [1, .random(in: .min ... .max)])
    func random(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var pair = try Pair()
        for _ in 0..<20_000 {
            if let difference = pair.compare(
                randomRequest(&random, host: pair.memory.address, noAddressSpace: pair.noAddressSpace))
            {
                Issue.record("seed \(seed): \(difference)")
                return
            }
        }
        #expect(pair.accepted > 1000)
        #expect(pair.table.count < pair.accepted)
    }

    /// A few ids and a few pages, so that requests get into each other's way, and now and then something impossible.
    private func randomRequest(
        _ random: inout SplitMix64, host: UInt64, noAddressSpace: UInt32
    ) -> SlotRequest {
        var request = SlotRequest(
            slot: UInt32.random(in: 0..<12, using: &random), flags: UInt32.random(in: 0..<4, using: &random),
            guestAddress: UInt64.random(in: 0..<24, using: &random) << 12,
            size: UInt64.random(in: 0..<4, using: &random) << 12,
            hostAddress: host + UInt64.random(in: 0..<3, using: &random) << 20)
        switch Int.random(in: 0..<40, using: &random) {
        case 0: request.slot |= noAddressSpace << 16
        case 1: request.flags |= 1 << UInt32.random(in: 2..<32, using: &random)
        case 2: request.guestAddress |= UInt64.random(in: 1..<4096, using: &random)
        case 3: request.size |= UInt64.random(in: 1..<4096, using: &random)
        case 4: request.hostAddress |= UInt64.random(in: 1..<4096, using: &random)
        case 5: request.guestAddress = .max << UInt64.random(in: 12..<64, using: &random)
        case 6: request.size = .max << UInt64.random(in: 12..<64, using: &random)
        case 7: request.hostAddress = .max << UInt64.random(in: 12..<64, using: &random)
        case 8: request.slot = .random(in: noAddressSpace << 16...(.max), using: &random)
        default: break
        }
        return request
    }
}
