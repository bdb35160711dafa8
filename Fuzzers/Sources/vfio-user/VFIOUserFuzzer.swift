import Fuzzing
import PCI
import VFIOUser

/// Fuzzes the messages of vfio-user with any bytes as those of a peer. The first byte chooses the kind of message. A message
/// that can be decoded must keep its meaning when it is encoded again.
@_cdecl("fuzzer")
public func fuzzer() {
    fuzz { bytes in
        guard let kind = bytes.first else { return }
        let payload = Array(bytes.dropFirst())
        switch kind % 12 {
        case 0: check(payload, Header.init, \.bytes)
        case 1: check(payload, Version.init, \.bytes)
        case 2: check(payload, DeviceInfo.init, \.bytes)
        case 3: check(payload, RegionQuery.init, \.bytes)
        case 4: check(payload, InterruptInfo.init, \.bytes)
        case 5: check(payload, InterruptChange.init, \.bytes)
        case 6: check(payload, DMAMapping.init, \.bytes)
        case 7: check(payload, DMAUnmapping.init, \.bytes)
        case 8: check(payload, RegionEvents.init, nil)
        case 9: check(payload, { try RegionAccess($0, hasData: true) }, \.bytes)
        case 10: check(payload, { try MemoryAccess($0, hasData: true) }, \.bytes)
        default:
            let number = DeviceRecord.RegionNumber(rawValue: UInt32(kind / 12) % 9) ?? .bar0
            guard let info = try? RegionInfo(payload, of: number) else { return }
            for (left, right) in zip(info.region.areas, info.region.areas.dropFirst()) {
                expect(left.upperBound <= right.lowerBound, "areas overlap")
            }
            expect(info.region.areas.allSatisfy { $0.upperBound <= info.region.size }, "an area lies outside")
            // A region without mappable bytes is the same with and without the flag.
            check(info.bytes(of: number), { try RegionInfo($0, of: number) }, { $0.bytes(of: number) })
        }
    }
}

/// Decodes bytes, and checks that the value stays the same when it is encoded and decoded once more.
private func check<Value: Equatable>(
    _ bytes: [UInt8], _ decode: ([UInt8]) throws -> Value, _ encode: ((Value) -> [UInt8])?
) {
    guard let value = try? decode(bytes), let encode else { return }
    expect((try? decode(encode(value))) == value, "\(value) is encoded to something else")
}
