import Board
import Memslots
import PCI
import Testing

@Suite("BARs that are too large for the addresses there are")
struct HighApertureTests {
    @Test("eight BARs of 256 GiB do not fit below 1 TiB, and the error says which address is the highest")
    func hugeBARs() throws {
        let low = try #require(GuestRange(first: GuestAddress(0xd000_0000), size: 0x2ec0_0000))
        let high = try #require(GuestRange(first: GuestAddress(4 << 30), last: GuestAddress((1 << 40) - 1)))
        let gpu = FunctionDescription(
            vendorID: 1, deviceID: 1, bars: [2: BARDescription(kind: .memory64, size: 256 << 30)])
        let functions = Dictionary(
            uniqueKeysWithValues: (0..<8).map { (FunctionAddress(requesterID: $0 << 3), gpu) })
        let error = #expect(throws: AssignmentError.self) {
            _ = try AddressAssigner(Apertures(low: low, high: high)).assign(functions)
        }
        #expect(error.map { "\($0)".contains("high aperture") && "\($0)".contains("highest guest-physical") } == true)
    }
}
