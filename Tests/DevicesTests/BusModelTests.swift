import Devices
import PropertySupport
import Testing

/// The bus against the plainest model of one: a list of ranges that is walked from the start.
@Suite struct BusModelTests {
    private struct Model {
        var ranges: [(first: UInt64, last: UInt64, value: UInt64)] = []

        func accepts(_ first: UInt64, _ size: UInt64) -> Bool {
            guard size > 0, first <= UInt64.max - (size - 1) else { return false }
            let last = first + (size - 1)
            return ranges.allSatisfy { last < $0.first || $0.last < first }
        }

        func value(_ address: UInt64, _ width: AccessWidth) -> UInt64? {
            guard address <= UInt64.max - UInt64(width.rawValue - 1) else { return nil }
            let last = address + UInt64(width.rawValue - 1)
            return ranges.first { $0.first <= address && last <= $0.last }.map { width.mask($0.value) }
        }
    }

    @Test(arguments: propertySeeds, [UInt64(0), UInt64.max - 255])
    func busAgreesWithItsModel(seed: UInt64, base: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var bus = BusWithDevices(name: "model")
        var model = Model()
        var unclaimed: UInt64 = 0

        for step in 0..<20_000 {
            let address = base + .random(in: 0...255, using: &random)
            if step.isMultiple(of: 100) {
                let size = UInt64.random(in: 0...12, using: &random)
                let isAttached = (try? bus.attach(RecordingDevice(UInt64(step)), at: address, size: size)) != nil
                #expect(isAttached == model.accepts(address, size))
                if isAttached { model.ranges.append((address, address + (size - 1), UInt64(step))) }
            }
            let width = try #require(AccessWidth.allCases.randomElement(using: &random))
            let expected = model.value(address, width)
            if expected == nil { unclaimed += 1 }
            try #require(bus.read(at: address, width: width).value == expected ?? width.allOnes)
        }
        #expect(bus.unclaimedReads == unclaimed)
    }
}
