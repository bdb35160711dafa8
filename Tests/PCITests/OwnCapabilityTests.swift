import Devices
import PCI
import Testing

@Suite("Capabilities that a model answers")
struct OwnCapabilityTests {
    /// A vendor-specific capability of five bytes behind its header, which the model keeps.
    private struct Keeper: FunctionModel {
        private static let first: UInt64 = 0x42
        private(set) var bytes: [UInt8] = [0x10, 0x21, 0x32, 0x43, 0x54]

        var description: FunctionDescription {
            FunctionDescription(
                vendorID: 1, deviceID: 2,
                capabilities: [
                    CapabilityDescription(id: 9, offset: 0x40, body: [0, 0, 0, 0, 0], isOwn: true)
                ])
        }

        func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64 {
            (0..<UInt64(width.rawValue)).reduce(0) { $0 | UInt64(bytes[Int(offset - Self.first + $1)]) << (8 * $1) }
        }

        mutating func writeConfiguration(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> FunctionEffects {
            for lane in 0..<UInt64(width.rawValue) {
                bytes[Int(offset - Self.first + lane)] = UInt8(truncatingIfNeeded: value >> (8 * lane))
            }
            return FunctionEffects()
        }
    }

    private func make() throws -> PCIFunction {
        let model = Keeper()
        return PCIFunction(
            model, at: FunctionAddress(requesterID: 8), shape: try FunctionShape(model.description))
    }

    @Test("an access of the header and of the body gets both", arguments: [AccessWidth.byte, .word, .doubleword])
    func reads(width: AccessWidth) throws {
        var function = try make()
        let expected: [UInt64] = [9, 0, 0x10, 0x21, 0x32, 0x43, 0x54, 0]
        for offset in stride(from: 0, to: UInt64(8), by: width.rawValue) {
            let wanted = (0..<UInt64(width.rawValue)).reduce(0) { $0 | expected[Int(offset + $1)] << (8 * $1) }
            #expect(function.read(at: 0x40 + offset, width: width) == wanted, "\(offset)")
        }
    }

    @Test("a write reaches only the model's bytes", arguments: [AccessWidth.byte, .word, .doubleword])
    func writes(width: AccessWidth) throws {
        var function = try make()
        for offset in stride(from: 0, to: UInt64(8), by: width.rawValue) {
            guard case .done = function.write(0xa7a6_a5a4, at: 0x40 + offset, width: width) else {
                Issue.record("a proposal")
                continue
            }
        }
        #expect(function.read(at: 0x40, width: .word) == 9)
        let lane = UInt64(width.rawValue)
        for offset in UInt64(2)..<7 {
            #expect(function.read(at: 0x40 + offset, width: .byte) == 0xa4 + offset % lane, "\(offset)")
        }
        #expect(function.read(at: 0x47, width: .byte) == 0)
    }
}
