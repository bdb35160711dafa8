import Board
import Memslots
import PCI
import SeededRandom
import Testing

/// Addresses for functions that come later.
@Suite("Addresses of added functions")
struct AddedAddressTests {
    private static let assigner = AddressAssigner(AddressMap.standard.apertures)

    private static func function(
        _ description: FunctionDescription, bus: UInt8 = 0, device: UInt8, beside others: [PCIFunction]
    ) throws -> PCIFunction {
        let address = try #require(FunctionAddress(bus: bus, device: device, function: 0))
        var function = try PCIFunction(description, at: address)
        for place in try assigner.assign(description, at: address, beside: others, avoiding: []) {
            function.place(place)
        }
        return function
    }

    @Test("are free, whatever others have, and aligned")
    func free() throws {
        for seed in [UInt64.random(in: 0 ... .max), 1, 2, 3] {
            var random = SplitMix64(seed: seed)
            var others: [PCIFunction] = []
            for round in 0..<60 {
                if round > 20, Bool.random(using: &random) {
                    others.remove(at: Int.random(in: others.indices, using: &random))
                }
                let used = Set(others.map(\.address.device))
                guard let device = (UInt8(0)..<32).first(where: { !used.contains($0) }) else { continue }
                let bars: [Int: BARDescription] = [
                    0: BARDescription(kind: .memory32, size: 1 << UInt64.random(in: 7...20, using: &random)),
                    1: BARDescription(kind: .io, size: 1 << UInt64.random(in: 2...6, using: &random)),
                    2: BARDescription(kind: .memory64, size: 1 << UInt64.random(in: 12...30, using: &random)),
                ]
                let description = FunctionDescription(vendorID: 1, deviceID: 2, bars: bars)
                let added = try Self.function(description, device: device, beside: others)
                for (number, bar) in bars {
                    let base = added.base(of: .bar(number))
                    #expect(base > 0 && base % bar.size == 0, "seed \(seed)")
                    for other in others {
                        guard let size = other.description.bars[number]?.size else { continue }
                        let first = other.base(of: .bar(number))
                        #expect(base + bar.size <= first || first + size <= base, "seed \(seed)")
                    }
                }
                others.append(added)
            }
        }
    }

    @Test("behind a bridge lie in what its windows have left")
    func behindBridge() throws {
        var bridge = FunctionDescription(vendorID: 1, deviceID: 3)
        bridge.bridge = BridgeDescription(secondary: 1, subordinate: 1, reserve: [.memory: 0x20_0000])
        let address = FunctionAddress(requesterID: 0x18)
        var port = try PCIFunction(bridge, at: address)
        port.numberBuses()
        for place in try Self.assigner.assign([address: bridge]) { port.place(place) }
        let window = try #require(port.range(of: .memory))
        let bars = [0: BARDescription(kind: .memory32, size: 0x10_0000), 1: BARDescription(kind: .io, size: 4)]
        let description = FunctionDescription(vendorID: 1, deviceID: 2, bars: bars)
        let first = try Self.function(description, bus: 1, device: 0, beside: [port])
        let second = try Self.function(description, bus: 1, device: 1, beside: [port, first])
        #expect([first, second].map { $0.base(of: .bar(0)) } == [window.lowerBound, window.lowerBound + 0x10_0000])
        #expect(!first.decodesPorts, "there is no I/O window")
        #expect(throws: AssignmentError.self) {
            try Self.function(description, bus: 1, device: 2, beside: [port, first, second])
        }
        // Beside the bridge its windows are taken.
        let beside = try Self.function(description, device: 4, beside: [port])
        #expect(!window.contains(beside.base(of: .bar(0))))
    }
}
