import Memslots
import PCI
import PropertySupport
import Testing

@testable import VFIO

@Suite struct DMALimitsTests {
    /// Two ranges with the hole of MSI between them, and 65,535 entries, as Linux tells them of Intel's IOMMU.
    private static let intel = StructureBytes()
        .with(104, 3).with(wide: 0x4020_1000).with(24, 0)
        .with(1 | 1 << 16, 72, 2, 0).with(wide: 0, 0xfedf_ffff, 0xfef0_0000, (1 << 48) - 1)
        .with(bytes: [UInt8](repeating: 0, count: 0))
        .with(3 | 1 << 16, 0, 65535)

    private func violation(_ ranges: [(UInt64, UInt64)], lockedMemory: UInt64? = nil) -> DMAViolation? {
        let ranges = ranges.map { GuestRange(unchecked: $0.0, size: $0.1) }
        do throws(DMAViolation) {
            try DMALimits(Self.intel.bytes).check(ranges, lockedMemory: lockedMemory)
            return nil
        } catch {
            return error
        }
    }

    @Test("the kernel's limits are read with its chain of capabilities") func readsLimits() {
        let limits = DMALimits(Self.intel.bytes)
        #expect(limits.pageSizes == 0x4020_1000)
        #expect(limits.ranges.map(\.last.rawValue) == [0xfedf_ffff, (1 << 48) - 1])
        #expect(limits.entries == 65535)
    }

    @Test("each rule names what was asked and the limit") func namesRules() {
        #expect(violation([(0, 2 << 20), (1 << 32, 1 << 30)]) == nil)
        #expect(violation([(0, 0x800)])?.rule == .page)
        #expect(violation([(1 << 48, 4096)])?.rule == .addressWidth)
        #expect(violation([((1 << 48) - 4096, 8192)])?.rule == .addressWidth)
        let reserved = violation([(0xfee0_0000, 4096)])
        #expect(reserved?.rule == .reserved)
        #expect(reserved?.limit == 0xfee0_0000)
        #expect(violation([(0xfedf_f000, 8192)])?.rule == .reserved)
        #expect(violation([(0, 1 << 20), (1 << 20, 1 << 20)], lockedMemory: 1 << 20)?.rule == .lockedMemory)
        #expect(violation((0..<65536).map { ($0 << 12, 4096) })?.rule == .entries)
        #expect("\(violation([(1 << 48, 4096)])!)".contains("0xffffffffffff"))
    }

    @Test("no chain of capabilities holds the reader up") func survivesAnyBytes() {
        for round in 0..<400 {
            var random = SplitMix64(seed: propertySeeds[round % 2] &+ UInt64(round))
            var bytes = Self.intel.bytes
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            let limits = DMALimits(Array(bytes.prefix(.random(in: 0...bytes.count, using: &random))))
            #expect(limits.pageSizes != 0)
            _ = try? limits.check(
                [GuestRange(unchecked: .random(in: 0...1 << 52, using: &random), size: 4096)], lockedMemory: nil)
        }
    }
}

extension GuestRange {
    fileprivate init(unchecked first: UInt64, size: UInt64) {
        self = GuestRange(first: GuestAddress(first), size: size) ?? .everything
    }
}
