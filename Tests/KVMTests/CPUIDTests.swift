import Testing

@testable import KVM

/// The leaves of a machine's processors, from those that a KVM might offer.
@Suite struct CPUIDTests {
    private static func entry(
        _ function: UInt32, _ index: UInt32 = 0, eax: UInt32 = 0, ecx: UInt32 = 0
    ) -> CPUIDEntry {
        var entry = CPUIDEntry()
        (entry.function, entry.index, entry.eax, entry.ecx) = (function, index, eax, ecx)
        return entry
    }

    /// What Linux 6.1 gives on AMD, as far as it matters: neither the hypervisor's bit nor the deadline timer.
    private static let offered = [
        entry(0, eax: 0x10), entry(1, ecx: 1 << 21), entry(0xb), entry(0x8000_0001, ecx: 1 << 1),
        entry(0x8000_0008, eax: 0x3028, ecx: 0x7001), entry(0x8000_001d, 0, eax: 0x121),
        entry(0x8000_001d, 3, eax: 0x1fc163), entry(0x8000_001e), entry(0x4000_0001, eax: 1 << 7 | 1),
    ]

    @Test(arguments: [true, false])
    func thereIsAHypervisor(hasAPIC: Bool) {
        let leaves = Self.offered.forMachine(hasAPIC: hasAPIC, hasDeadlineTimer: true)
        let (features, kvm): (UInt32, UInt32) = hasAPIC ? (1 << 31 | 1 << 24 | 1 << 21, 0x81) : (1 << 31, 1)
        #expect(leaves.leaf(1)?.ecx == features)
        #expect(leaves.leaf(0x4000_0001)?.eax == kvm)
    }

    @Test func noDeadlineTimerWithoutKVMs() {
        let leaves = Self.offered.forMachine(hasAPIC: true, hasDeadlineTimer: false)
        #expect(leaves.leaf(1)?.ecx == 1 << 31 | 1 << 21)
    }

    @Test(arguments: [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (255, 8)] as [(Int, UInt32)])
    func eachVCPUIsACoreOfOnePackage(count: Int, bits: UInt32) {
        let id = UInt32(count - 1)
        let leaves = Self.offered.forVCPU(id: id, of: count)
        #expect(leaves.leaf(1)?.ebx == id << 24 | UInt32(count) << 16)
        #expect(leaves.leaf(1)?.edx == (count > 1 ? 1 << 28 : 0))
        let levels = leaves.filter { $0.function == 0xb }
        #expect(levels.map(\.index) == [0, 1, 2] && levels.allSatisfy { $0.edx == id && $0.flags == 1 })
        #expect(levels.map(\.eax) == [0, bits, 0] && levels.map(\.ebx) == [1, UInt32(count), 0])
        #expect(levels.map(\.ecx) == [0x100, 0x201, 2])
        #expect(!leaves.contains { $0.function == 0x1f })
        #expect(leaves.leaf(0x8000_0008)?.ecx == bits << 12 | id)
        #expect(leaves.leaf(0x8000_0001)?.ecx == (count > 1 ? 2 : 0))
        #expect(leaves.leaf(0x8000_001e)?.eax == id)
        let sharers = leaves.filter { $0.function == 0x8000_001d }.map { $0.eax >> 14 & 0xfff }
        #expect(sharers == [0, 1 << bits - 1])
    }

    @Test func featuresHaveNames() throws {
        var leaves = Self.offered
        leaves.set(try #require(CPUFeature(named: "x2apic")), false)
        leaves.set(try #require(CPUFeature(named: "tsc-deadline-timer")), true)
        leaves.set(try #require(CPUFeature(named: "pcid")), true)
        leaves.set(try #require(CPUFeature(named: "pku")), true)
        leaves.set(try #require(CPUFeature(named: "la57")), false)
        #expect(leaves.leaf(1)?.ecx == 1 << 24 | 1 << 17)
        #expect(leaves.leaf(7)?.ecx == 1 << 3)
        let known: [(String, UInt32, UInt32)] = [
            ("pbe", 1, 31), ("hypervisor", 1, 31), ("avx512vl", 7, 31), ("pks", 7, 31), ("3dnow", 0x8000_0001, 31),
            ("topoext", 0x8000_0001, 22), ("clocksource_stable_bit", 0x4000_0001, 24), ("lm", 0x8000_0001, 29),
        ]
        for (name, function, bit) in known {
            let feature = try #require(CPUFeature(named: name))
            #expect(feature.function == function && feature.bit == bit, "\(name)")
        }
        #expect(CPUFeature(named: "_") == nil && CPUFeature(named: "") == nil && CPUFeature(named: "x3apic") == nil)
    }
}
