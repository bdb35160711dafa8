import Laboratory
import LiveSupport
import Machine
import Memslots
import Testing

/// The rules as `MemslotTable` has them, at their edges, held against the KVM of this host. What is random is in the fuzzer's
/// tests.
@Suite("Slot rules and KVM", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct SlotRulesLiveTests {
    /// A machine of nothing but slots, and a table that follows it.
    private struct Pair: ~Copyable {
        let machine: BareMachine
        var table: MemslotTable
        var accepted = 0

        init() throws {
            machine = try BareMachine(memory: 1 << 20)
            table = MemslotTable(limits: machine.limits)
        }

        /// Asks both; the difference in words, or nil where they agree.
        mutating func compare(_ request: SlotRequest) -> String? {
            var answer: SlotErrno?
            do { try machine.installer.set(request) } catch { answer = error }
            let said = answer.map { "\($0)" } ?? "yes"
            do throws(SlotViolation) {
                let change = try table.change(for: request)
                guard answer == nil else { return "\(request): predicted \(change), KVM says \(said)" }
                table.apply(change)
                accepted += 1
            } catch {
                guard answer == error.rule.errno else {
                    return "\(request): predicted \(error.rule), KVM says \(said)"
                }
            }
            return nil
        }
    }

    @Test("each rule is KVM's: its errno comes where it is broken, and just at its edge nothing is refused")
    func eachRule() throws {
        var pair = try Pair()
        let host = pair.machine.placement.backings[0]
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
            request(pair.machine.missingAddressSpace << 16 | 3, at: 0x50_0000, host: host),
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
}
